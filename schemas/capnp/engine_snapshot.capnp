@0xb1f0c7a2d4e86a31;
# A matching engine at a sequence, as a run of records: one EngineSnapshot, then fee tiers, accounts
# and instruments, then for each instrument its orders: buys best first, sells best first, and those
# that wait outside of the ladder. It says what the engine knows, not how it keeps it.

struct EngineSnapshot {
  # The first record: sequence and timeNs are those of the last command; so many records of each kind follow.

  const currentVersion :UInt16 = 1;
  # Grows with every field that is added.

  kind @0 :UInt16;
  schemaVersion @1 :UInt16;
  epoch @2 :UInt32;
  sequence @3 :UInt64;
  timeNs @4 :Int64;

  lastOrderNumber @5 :Int64;
  lastMatchNumber @6 :Int64;
  executionSequence @7 :Int64;
  bookSequence @8 :Int64;
  feeTierCount @9 :Int64;
  accountCount @10 :Int64;
  instrumentCount @11 :Int64;
  orderCount @12 :Int64;
  stateHash @13 :Int64;
  # Over the canonical logical state; a restored engine must come to the same.
  hasFees @14 :Int64;
  nextTimerNs @15 :Int64;
}
