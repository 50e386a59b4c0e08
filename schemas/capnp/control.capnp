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
  setFirm @27;
  # The firm (`value`) that an account belongs to, for totals; zero takes it out.
  setScenarios @28;
  # Eight of the sixteen scenarios of an instrument, from `firstScenario` (0, then 8) on, in the risk
  # group that `scopeId` names; a group of zero takes the instrument out.
  revalue @29;
  # Brings account-instrument pairs to present prices: `quantityUnits` of them from number `value` on,
  # which is in the answer where to go on, or zero.
  checkOrder @30;
  # Asks whether an order would pass now: account in `scopeId`, terms in the fields of an order. The
  # answer has the reason as its outcome.
  reportSums @31;
  # Asks for the sums of an account, or of a group or firm with totals: `scenario0` to `scenario7` of
  # the answer are cash, trade cash, value of positions, profit when the day began, gross exposure, net
  # exposure if all working buys or all working sells were filled, and margin, in notional units.
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
  order @8;
  # The order whose venue id `value` holds.
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
  totalGrossExposure @20;
  # From here on: what a group or a firm holds together.
  totalNetExposure @21;
  totalCredit @22;
  totalDailyLoss @23;
  totalPositionLong @24;
  # Quantity units of the group's or firm's position in an instrument, working buys included.
  totalPositionShort @25;
}

struct Control {
  const currentVersion :UInt16 = 7;
  # Grows with every field that is added, and with a field's unit: up to 5, scenarios were in 2^-32.

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

  priceUnits @28 :Int64;
  # checkOrder: terms of the order, as in an OrderCommand.
  quantityUnits @29 :Int64;
  firmId @30 :UInt32;
  strategyId @31 :UInt32;
  selfTradeGroup @32 :UInt32;
  orderType @33 :Common.OrderType;
  timeInForce @34 :Common.TimeInForce;
  shortSale @35 :Common.ShortSale;
  instructions @36 :UInt16;
  limitLevel @37 :UInt16;
  # The answer to checkOrder: scope at which a limit tripped, its value, and what was held against it,
  # as in an ExecutionEvent.
  referenceFlags @38 :UInt16;
  limitValue @39 :Int64;
  observedValue @40 :Int64;
  firstScenario @41 :UInt16;
  # setScenarios: number of the first scenario in this record, 0 or 8.
  scenario0 @42 :Int64;
  # What one quantity unit long gains in a scenario, in 2^-20 notional units of the accounts' currency.
  scenario1 @43 :Int64;
  scenario2 @44 :Int64;
  scenario3 @45 :Int64;
  scenario4 @46 :Int64;
  scenario5 @47 :Int64;
  scenario6 @48 :Int64;
  scenario7 @49 :Int64;

  notionalNumerator @50 :Int64;
  # createInstrument: notional units of one price unit times one quantity unit, as a ratio.
  notionalDenominator @51 :Int64;
  durability @52 :UInt16;
  # createInstrument: ExecutionEvent's Durability that the instrument's events are given.
  indicationIntervalNs @53 :Int64;
  # createInstrument: the least time between two indications of an auction; zero for none.
}
