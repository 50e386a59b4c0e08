@0xb1f0c7a2d4e86a33;
# Part of a snapshot of a matching engine: see engine_snapshot.capnp.

struct AccountSnapshot {
  # An account that has had an event or has a fee tier of its own.

  const currentVersion :UInt16 = 1;
  # Grows with every field that is added.

  kind @0 :UInt16;
  schemaVersion @1 :UInt16;
  epoch @2 :UInt32;
  sequence @3 :UInt64;
  timeNs @4 :Int64;

  accountSequence @5 :Int64;
  accountId @6 :UInt32;
  feeTier @7 :UInt32;
}
