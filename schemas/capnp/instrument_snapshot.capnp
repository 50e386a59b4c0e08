@0xb1f0c7a2d4e86a34;
# Part of a snapshot of a matching engine: see engine_snapshot.capnp.

struct InstrumentSnapshot {
  # An instrument's rules and state, in the order in which they were created.

  const currentVersion :UInt16 = 2;
  # Grows with every field that is added.

  kind @0 :UInt16;
  schemaVersion @1 :UInt16;
  epoch @2 :UInt32;
  sequence @3 :UInt64;
  timeNs @4 :Int64;

  instrumentSequence @5 :Int64;
  minimumPriceUnits @6 :Int64;
  maximumPriceUnits @7 :Int64;
  maximumQuantityUnits @8 :Int64;
  lotUnits @9 :Int64;
  tickUnits @10 :Int64;
  minimumShareUnits @11 :Int64;
  batchIntervalNs @12 :Int64;
  lastPriceUnits @13 :Int64;
  tradeCount @14 :Int64;
  divergenceCount @15 :Int64;
  auctionEndNs @16 :Int64;
  lowBandUnits @17 :Int64;
  highBandUnits @18 :Int64;
  dynamicBandUnits @19 :Int64;
  pauseNs @20 :Int64;
  indicatedPriceUnits @21 :Int64;
  indicatedVolumeUnits @22 :Int64;
  indicatedSurplusUnits @23 :Int64;
  instrumentId @24 :UInt32;
  allocation @25 :UInt16;
  phase @26 :UInt16;
  hasLast @27 :UInt16;
  reserved @28 :UInt16;
  indicationIntervalNs @29 :Int64;
  indicatedNs @30 :Int64;
  # When the auction's last indication was published; zero for none yet.
  indicationDueNs @31 :Int64;
  # When one that was held back is due; zero for none.
}
