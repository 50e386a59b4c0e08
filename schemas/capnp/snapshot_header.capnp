@0xb1f0c7a2d4e86a36;
# How a snapshot of the venue begins; its parts follow. docs/journal.md has the form of the file.

struct SnapshotHeader {
  const currentVersion :UInt16 = 2;
  # Grows with what the parts mean: up to 1, the gate's unit values were in another unit.

  kind @0 :UInt16;
  schemaVersion @1 :UInt16;
  epoch @2 :UInt32;
  sequence @3 :UInt64;
  # Of the last command or control that the snapshot contains.
  timeNs @4 :Int64;
  # Of that command.

  journalPosition @5 :Int64;
  # Where in the execution log replay goes on.
  journalSequence @6 :UInt64;
  # Number of the log's record before that place.
  journalChecksum @7 :UInt32;
  # Checksum of that record, which seeds the next.
  partCount @8 :UInt32;
  bodyBytes @9 :Int64;
  # Bytes behind this message.
  executionSequence @10 :Int64;
  # Of the last execution event that the snapshot contains.
  stateHash @11 :Int64;
  # Hash of the logical state of the books.
  hash0 @12 :UInt64;
  # SHA-256 of this message with these four words zero, and of everything behind it.
  hash1 @13 :UInt64;
  hash2 @14 :UInt64;
  hash3 @15 :UInt64;
}
