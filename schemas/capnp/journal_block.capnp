@0xb1f0c7a2d4e86a18;
# One synced range of a segment of the execution log; its index file is an array of these.

struct JournalBlock {
  const currentVersion :UInt16 = 1;

  kind @0 :UInt16;
  schemaVersion @1 :UInt16;
  epoch @2 :UInt32;
  sequence @3 :UInt64;
  # Journal sequence of its first frame.
  timeNs @4 :Int64;
  # Time of its first stamped record; 0 if it has none.

  lastSequence @5 :UInt64;
  offsetBytes @6 :Int64;
  # From the first frame of the segment.
  lengthBytes @7 :Int64;
  checksumBefore @8 :UInt32;
  # CRC32C of the frame before its first, so that reading can begin here.
  checksumAfter @9 :UInt32;
  hash0 @10 :UInt64;
  # BLAKE3 of its bytes.
  hash1 @11 :UInt64;
  hash2 @12 :UInt64;
  hash3 @13 :UInt64;
}
