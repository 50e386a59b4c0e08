@0xb1f0c7a2d4e86a15;
# Limits, kill switches, reference prices, sessions: everything that changes how orders are treated.
# Sent to the sequencer on control_commands; comes back sequenced, with its outcome, on control_events.

using Common = import "common.capnp";

enum ControlAction {
  unset @0;
  setLimit @1;
  kill @2;
  unkill @3;
  referencePrice @4;
  setPosition @5;
  sessionOpen @6;
  sessionClose @7;
  # Cancels the session's working orders if it asked for cancel-on-disconnect.
  massCancel @8;
  requestStatus @9;
  # The venue answers with an orderStatus event for every working order in scope.
  clearLimit @10;
  epochStart @11;
  # Written by the sequencer when it opens an epoch.
  createInstrument @12;
  # Opens an empty book, with the rules in this record.
  setPhase @13;
  # Trading phase of an instrument; one that ends an auction uncrosses it first.
  setBands @14;
  # Price bands of an instrument: lowUnits and highUnits (static), value (dynamic, distance from the
  # last price; zero for none), durationNs of the volatility auction (zero: halts instead).
  setFee @15;
  # Fee of a tier (scopeId): value maker, lowUnits taker, highUnits auction, in millionths of the
  # traded price times quantity; negative is a rebate.
  setFeeTier @16;
  # Fee tier (value) of an account (scopeId).
  timer @17;
  # Written by the sequencer when something of the engine is due: expiries, ends of auctions.
  setGroup @18;
  # Puts an account into the group that `value` names; zero takes it out.
  restrict @19;
  # Turns on the restrictions whose bits `value` holds, at a level.
  permit @20;
  # Turns them off.
  resetThrottle @21;
  # Lets an account go on that executed too often.
  setCash @22;
  # Cash of an account in notional units.
  setConversion @23;
  # What one notional unit of an instrument is worth in the accounts' currency, in billionths.
  setMargin @24;
  # Initial margin of an instrument in basis points of its value.
  startDay @25;
  # The day's profit and loss of every account begins at zero; the last price becomes the close.
  grantOverride @26;
  # A limit's value at one level until `expireTimeNs`; then the value before holds again.
}

enum ControlScope {
  unset @0;
  firm @1;
  account @2;
  instrument @3;
  strategy @4;
  session @5;
  accountInstrument @6;
  group @7;
}

enum LimitKind {
  unset @0;
  orderQuantity @1;
  # Quantity units of one order.
  orderNotional @2;
  # Price units times quantity units times the multiplier of one order.
  priceCollar @3;
  # Distance from the reference price in basis points.
  positionLong @4;
  # Quantity units long, working buys included.
  positionShort @5;
  openOrders @6;
  grossPosition @7;
  # Quantity units of the position and all working orders, without regard to side.
  displayedShare @8;
  # Quantity of one order in basis points of the other side's displayed quantity.
  priceMove @9;
  # Distance from the price at the start of the window in basis points.
  referenceAge @10;
  # Milliseconds for which a reference price counts.
  messageRate @11;
  # Messages a second, averaged.
  messageBurst @12;
  # Messages at once.
  duplicateWindow @13;
  # Milliseconds in which equal terms are refused.
  executionCount @14;
  # Executions in a window after which the account is stopped.
  executionWindow @15;
  # Milliseconds of that window.
  grossExposure @16;
  # Notional units in the accounts' currency.
  netExposure @17;
  credit @18;
  # Notional units that margin may exceed cash and profit by.
  dailyLoss @19;
}

struct Control {
  const currentVersion :UInt16 = 3;
  # Grows with every field that is added.

  kind @0 :UInt16;
  schemaVersion @1 :UInt16;
  epoch @2 :UInt32;
  sequence @3 :UInt64;
  timeNs @4 :Int64;

  action @5 :ControlAction;
  scope @6 :ControlScope;
  limitKind @7 :LimitKind;
  flags @8 :UInt16;
  # Bit 0 also cancel working orders (kill), bit 1 cancel on disconnect (sessionOpen),
  # bit 2 reference is mid, bit 3 reference is an outside market, bit 4 reference is the close.

  scopeId @9 :UInt32;
  # Firm, group, account, strategy or session id.
  instrumentId @10 :UInt32;
  # Zero means every instrument.
  value @11 :Int64;
  # Limit value, reference price in price units, or position in quantity units. Mass cancel of an
  # account: only orders of this strategy, if not zero.
  authorId @12 :UInt32;
  side @13 :UInt16;
  # Side a mass cancel is confined to; zero for both.
  outcome @14 :UInt16;
  # Zero: applied. Otherwise a reason of the error catalogue.
  requestId @15 :UInt64;
  # The author's correlation number.
  sendTimeNs @16 :Int64;
  affectedCount @17 :UInt64;
  # Orders cancelled by it, in the answer.

  lowUnits @18 :Int64;
  # createInstrument: lowest price; setBands: lowest price that may be entered.
  highUnits @19 :Int64;
  lotUnits @20 :Int64;
  # createInstrument: order quantities are multiples of it.
  tickUnits @21 :Int64;
  # createInstrument: the price increment that sliding orders move by.
  maximumQuantityUnits @22 :Int64;
  durationNs @23 :Int64;
  # setBands, setPhase: how long an auction collects; createInstrument: interval of batch auctions.
  minimumShareUnits @24 :Int64;
  # createInstrument: the smallest pro-rata share that is given.
  phase @25 :Common.TradingPhase;
  allocation @26 :Common.Allocation;
  expireTimeNs @27 :Int64;
  # When an override ends, ns UTC; zero elsewhere.
}
