@0xb1f0c7a2d4e86a10;
# Enumerations shared by the mesh records.
#
# Value zero is always "unset", so a field that an older writer left out reads as unset.

enum RecordKind {
  unset @0;
  orderCommand @1;
  executionEvent @2;
  bookEvent @3;
  marketTick @4;
  control @5;
  journalSegment @6;
  journalBlock @7;
  instrumentDefinition @8;
  snapshotHeader @9;
  engineSnapshot @10;
  feeTierSnapshot @11;
  accountSnapshot @12;
  instrumentSnapshot @13;
  orderSnapshot @14;
}

enum Side {
  unset @0;
  buy @1;
  sell @2;
}

enum OrderType {
  unset @0;
  limit @1;
  market @2;
  stop @3;
  stopLimit @4;
  trailingStop @5;
  # A market order once the price has come back by a distance from its best since entry.
  pegged @6;
  # A limit order whose price follows the book's best prices.
}

enum TimeInForce {
  unset @0;
  day @1;
  goodTillCancel @2;
  immediateOrCancel @3;
  fillOrKill @4;
  goodTillDate @5;
  atOpen @6;
  # For the next opening auction only.
  atClose @7;
  # For the next closing auction only.
}

enum SelfTradePrevention {
  unset @0;
  # As cancelNewest, between orders of one self-trade group.
  cancelNewest @1;
  cancelOldest @2;
  cancelBoth @3;
  decrement @4;
  # Both lose the smaller of their open quantities; what is at zero then is cancelled.
}

enum PegReference {
  unset @0;
  sameSide @1;
  # The best price of the order's own side.
  otherSide @2;
  # The best price of the side it trades against.
  midpoint @3;
}

enum GroupRole {
  unset @0;
  oneCancelsOther @1;
  # A trade of one member cancels the others.
  bracketEntry @2;
  # Once it is done, what it filled calls the exits into being.
  bracketExit @3;
  # Sleeps until the entry is done; then one cancels the other.
}

enum TradingPhase {
  unset @0;
  continuous @1;
  closed @2;
  # Only cancels are taken.
  halted @3;
  # Only cancels are taken, until a resume.
  openingAuction @4;
  closingAuction @5;
  volatilityAuction @6;
  intradayAuction @7;
  # Auctions collect orders that don't match until the uncrossing.
}

enum Allocation {
  unset @0;
  # As priceTime.
  priceTime @1;
  proRata @2;
  # Shares of at least the minimum, rounded down; the rest by time.
  proRataTop @3;
  # The same after the order that holds the TOP priority of its price.
  batchAuction @4;
  # Orders only match in auctions at fixed intervals.
  filterAndUncross @5;
  # As priceTime; hidden orders beyond the display trade between its prices, and orders that set
  # conditions are filtered and uncrossed at one price.
}

enum Capacity {
  unset @0;
  agency @1;
  principal @2;
  riskless @3;
}

enum PositionEffect {
  unset @0;
  open @1;
  close @2;
}

enum ShortSale {
  unset @0;
  long @1;
  short @2;
  shortExempt @3;
}
