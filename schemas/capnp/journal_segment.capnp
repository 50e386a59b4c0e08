@0xb1f0c7a2d4e86a17;
# How a segment file of the execution log begins: its first message. Frames follow at byte 4096.

struct JournalSegment {
  const currentVersion :UInt16 = 1;

  kind @0 :UInt16;
  schemaVersion @1 :UInt16;
  epoch @2 :UInt32;
  sequence @3 :UInt64;
  # Journal sequence of the first frame.
  timeNs @4 :Int64;
  # When the file was begun.

  position @5 :Int64;
  # Bytes of the log before this file.
  capacityBytes @6 :Int64;
  # Bytes of frames that the file has room for.
  previousChecksum @7 :UInt32;
  # CRC32C of the frame before the first, which seeds the first; 0 at the beginning of the log.
  shard @8 :UInt32;
  headerChecksum @9 :UInt64;
  # CRC32C of this message with this field zero.
}
