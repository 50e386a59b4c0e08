@0xb1f0c7a2d4e86a19;
# What orders in an instrument are held against from here on; journaled before its first order.

using Common = import "common.capnp";

struct InstrumentDefinition {
  const currentVersion :UInt16 = 2;
  # Grows with every field that is added.

  kind @0 :UInt16;
  schemaVersion @1 :UInt16;
  epoch @2 :UInt32;
  sequence @3 :UInt64;
  # Position in the sequenced log, like that of a command.
  timeNs @4 :Int64;

  instrumentId @5 :UInt32;
  minimumPriceUnits @6 :Int64;
  maximumPriceUnits @7 :Int64;
  maximumQuantityUnits @8 :Int64;
  lotUnits @9 :Int64;
  notionalNumerator @10 :Int64;
  notionalDenominator @11 :Int64;
  durability @12 :UInt16;
  # ExecutionEvent's Durability that its events are given.
  allocation @13 :Common.Allocation;
  tickUnits @14 :Int64;
  minimumShareUnits @15 :Int64;
  batchIntervalNs @16 :Int64;
  indicationIntervalNs @17 :Int64;
  # The least time between two indications of an auction; zero for none.
}
