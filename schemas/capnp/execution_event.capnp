@0xb1f0c7a2d4e86a12;
# What became of an order: acknowledged, refused, filled, replaced, cancelled.

using Common = import "common.capnp";

enum ExecutionType {
  unset @0;
  accepted @1;
  rejected @2;
  trade @3;
  cancelled @4;
  replaced @5;
  expired @6;
  cancelRejected @7;
  replaceRejected @8;
  tradeBust @9;
  tradeCorrection @10;
  orderStatus @11;
  massCancelDone @12;
  restated @13;
  # The venue changed the order by its own rules: a pegged price moved (priceUnits), a display was
  # filled up, self-trade prevention took lastQuantityUnits off what was open.
  triggered @14;
  # A stop was elected, or an order's waiting is over; it enters the book now.
}

enum OrderStatus {
  unset @0;
  working @1;
  partiallyFilled @2;
  filled @3;
  cancelled @4;
  rejected @5;
  expired @6;
}

enum Liquidity {
  unset @0;
  maker @1;
  taker @2;
  auction @3;
}

enum Durability {
  unset @0;
  none @1;
  process @2;
  group @3;
  async @4;
}

struct ExecutionEvent {
  const currentVersion :UInt16 = 1;
  # Grows with every field that is added.

  kind @0 :UInt16;
  schemaVersion @1 :UInt16;
  epoch @2 :UInt32;
  sequence @3 :UInt64;
  # Position in the execution stream; contiguous within an epoch.
  timeNs @4 :Int64;

  executionType @5 :ExecutionType;
  orderStatus @6 :OrderStatus;
  side @7 :Common.Side;
  liquidity @8 :Liquidity;

  accountId @9 :UInt32;
  instrumentId @10 :UInt32;
  accountSequence @11 :UInt64;
  # Contiguous per account within an epoch, so a filtered stream has no false gaps.

  orderId @12 :UInt64;
  executionId @13 :UInt64;
  matchId @14 :UInt64;
  # Shared by both sides of a trade; zero otherwise.

  clientOrderId0 @15 :UInt64;
  clientOrderId1 @16 :UInt64;
  clientOrderId2 @17 :UInt64;
  clientOrderId3 @18 :UInt64;

  firmId @19 :UInt32;
  sessionId @20 :UInt32;
  traderId @21 :UInt32;
  strategyId @22 :UInt32;

  priceUnits @23 :Int64;
  quantityUnits @24 :Int64;
  lastPriceUnits @25 :Int64;
  lastQuantityUnits @26 :Int64;
  leavesQuantityUnits @27 :Int64;
  cumulativeQuantityUnits @28 :Int64;
  feeUnits @29 :Int64;
  # Fee in price units times quantity units of the instrument; negative is a rebate.

  reason @30 :UInt16;
  # Reject or cancel reason: a number of the error catalogue (api/errors/v1).
  limitLevel @31 :UInt16;
  # ControlScope at which a limit tripped.
  orderType @32 :Common.OrderType;
  timeInForce @33 :Common.TimeInForce;
  limitValue @34 :Int64;
  # The limit that tripped, in its own unit.
  observedValue @35 :Int64;
  # The value that was held against it.

  tradeDate @36 :UInt32;
  # Trade date as YYYYMMDD, UTC.
  durability @37 :Durability;
  flags @38 :UInt16;
  # Bit 0 last event of its command, bit 1 venue restart, bit 2 reference is last trade,
  # bit 3 reference is mid, bit 4 reference is an outside market, bit 5 reference is the close.

  commandSequence @39 :UInt64;
  # Sequence of the command that caused it.
  sendTimeNs @40 :Int64;
  # The author's sendTimeNs of that command (zero where the order's owner didn't send it).
  originalExecutionId @41 :UInt64;
  # The execution that a bust or correction names.
  selfTradeGroup @42 :UInt32;
  tag @43 :UInt32;
}
