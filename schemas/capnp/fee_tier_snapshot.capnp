@0xb1f0c7a2d4e86a32;
# Part of a snapshot of a matching engine: see engine_snapshot.capnp.

struct FeeTierSnapshot {
  # Rates of a fee tier, in millionths.

  const currentVersion :UInt16 = 1;
  # Grows with every field that is added.

  kind @0 :UInt16;
  schemaVersion @1 :UInt16;
  epoch @2 :UInt32;
  sequence @3 :UInt64;
  timeNs @4 :Int64;

  tier @5 :Int64;
  makerRate @6 :Int64;
  takerRate @7 :Int64;
  auctionRate @8 :Int64;
}
