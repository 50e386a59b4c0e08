@0xb1f0c7a2d4e86a11;
# One instruction to the venue, as its author wrote it and as the sequencer stamped it.
#
# Layout rule of every mesh record: scalars only, the same five fields first, new fields at the end.

using Common = import "common.capnp";

enum CommandAction {
  unset @0;
  newOrder @1;
  cancelOrder @2;
  replaceOrder @3;
  massCancel @4;
}

struct OrderCommand {
  const currentVersion :UInt16 = 2;
  # Grows with every field that is added.

  kind @0 :UInt16;
  # Always RecordKind.orderCommand.
  schemaVersion @1 :UInt16;
  # Version of this struct that the writer knew; 2 today.
  epoch @2 :UInt32;
  # Epoch of the sequencer that stamped it; the author's own epoch before that.
  sequence @3 :UInt64;
  # Position in the sequenced log; the author's own sequence before that.
  timeNs @4 :Int64;
  # Sequencer time, ns UTC; zero before it was sequenced.

  action @5 :CommandAction;
  side @6 :Common.Side;
  orderType @7 :Common.OrderType;
  timeInForce @8 :Common.TimeInForce;

  accountId @9 :UInt32;
  instrumentId @10 :UInt32;

  priceUnits @11 :Int64;
  # Limit price in the instrument's price units.
  quantityUnits @12 :Int64;
  # Total quantity in the instrument's quantity units; on replace the new total.
  orderId @13 :UInt64;
  # Venue order id that a cancel or replace names; zero on a new order.

  clientOrderId0 @14 :UInt64;
  # Client order id: 1 to 32 printable ASCII characters, little-endian, padded with zero bytes.
  clientOrderId1 @15 :UInt64;
  clientOrderId2 @16 :UInt64;
  clientOrderId3 @17 :UInt64;

  firmId @18 :UInt32;
  sessionId @19 :UInt32;
  # Order session for cancel-on-disconnect; zero for none.
  traderId @20 :UInt32;
  strategyId @21 :UInt32;
  selfTradeGroup @22 :UInt32;
  capacity @23 :Common.Capacity;
  positionEffect @24 :Common.PositionEffect;
  shortSale @25 :Common.ShortSale;
  instructions @26 :UInt16;
  # Bit 0 post-only, bit 1 reduce-only, bit 2 hidden, bit 3 all-or-none, bit 4 a cancel insists on a
  # part, bit 5 post-only slides to the next price instead of a refusal, bit 6 TOP priority of its
  # price, bit 7 priceUnits bounds a pegged order, bit 15 the shares of a short sale are located.
  tag @27 :UInt32;
  # The author's own correlation number, returned in every resulting event.

  stopPriceUnits @28 :Int64;
  displayQuantityUnits @29 :Int64;
  minimumQuantityUnits @30 :Int64;
  expireTimeNs @31 :Int64;

  seenExecutionSequence @32 :UInt64;
  # Last execution event that the author had seen when it decided.
  seenPriceSequence @33 :UInt64;
  # Last market tick that the author had seen when it decided.
  sendTimeNs @34 :Int64;
  # When the author sent it, ns UTC or the author's monotonic clock; echoed in the report.

  selfTradePrevention @35 :Common.SelfTradePrevention;
  # What happens when this order would trade with one of its own group; with a value set and no
  # group, with one of its own account.
  pegReference @36 :Common.PegReference;
  groupRole @37 :Common.GroupRole;
  offsetBasisPoints @38 :UInt16;
  # Trailing stop: its distance in hundredths of a percent of the price, if offsetUnits is zero.
  offsetUnits @39 :Int64;
  # Pegged order: added to the reference price. Trailing stop: its distance in price units.
  minimumVisibleUnits @40 :Int64;
  # Iceberg: it shows its display quantity again once less than this is visible; zero: once nothing is.
  groupId @41 :UInt64;
  # The author's number of an order group, unique within the account while its orders work.
}
