@0xb1f0c7a2d4e86a35;
# Part of a snapshot of a matching engine: see engine_snapshot.capnp.

struct OrderSnapshot {
  # A working order. Those of a side come in priority, so that a reader that appends them rebuilds it.

  const currentVersion :UInt16 = 1;
  # Grows with every field that is added.

  kind @0 :UInt16;
  schemaVersion @1 :UInt16;
  epoch @2 :UInt32;
  sequence @3 :UInt64;
  timeNs @4 :Int64;

  orderId @5 :Int64;
  priceUnits @6 :Int64;
  quantityUnits @7 :Int64;
  leavesUnits @8 :Int64;
  clientOrderId0 @9 :Int64;
  clientOrderId1 @10 :Int64;
  clientOrderId2 @11 :Int64;
  clientOrderId3 @12 :Int64;
  instrumentId @13 :UInt32;
  accountId @14 :UInt32;
  firmId @15 :UInt32;
  sessionId @16 :UInt32;
  traderId @17 :UInt32;
  strategyId @18 :UInt32;
  tag @19 :UInt32;
  selfTradeGroup @20 :UInt32;
  side @21 :UInt16;
  orderType @22 :UInt16;
  timeInForce @23 :UInt16;
  flags @24 :UInt16;
  # What the order is beyond plain, as bits; what follows is zero for a plain one.
  visibleUnits @25 :Int64;
  displayUnits @26 :Int64;
  minimumVisibleUnits @27 :Int64;
  minimumUnits @28 :Int64;
  stopUnits @29 :Int64;
  offsetUnits @30 :Int64;
  limitUnits @31 :Int64;
  expireTimeNs @32 :Int64;
  groupId @33 :Int64;
  basisPoints @34 :UInt32;
  pegReference @35 :UInt16;
  selfTradePrevention @36 :UInt16;
  groupRole @37 :UInt16;
  hasStop @38 :UInt16;
  instructions @39 :UInt32;
}
