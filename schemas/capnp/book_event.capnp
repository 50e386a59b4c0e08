@0xb1f0c7a2d4e86a13;
# One change of a venue book: enough for L3 followers, and with the level's aggregate for L2 and L1.

using Common = import "common.capnp";

enum BookAction {
  unset @0;
  add @1;
  reduce @2;
  # The order keeps its priority; quantityUnits is what is left of it.
  remove @3;
  trade @4;
  # A resting order traded; quantityUnits is the traded size, the level is after the trade. orderId is
  # zero where a hidden order traded.
  clear @5;
  # The book is empty from here on (a new epoch).
  indicative @6;
  # What an auction would do now: priceUnits and quantityUnits of the uncrossing, and in
  # levelQuantityUnits what would be left over at that price on `side`. quantityUnits zero: nothing.
  phase @7;
  # The instrument's trading phase is quantityUnits (Common.TradingPhase) from here on; an auction
  # that ends by the clock tells its end in levelQuantityUnits, ns UTC.
}

struct BookEvent {
  const currentVersion :UInt16 = 1;
  # Grows with every field that is added.

  kind @0 :UInt16;
  schemaVersion @1 :UInt16;
  epoch @2 :UInt32;
  sequence @3 :UInt64;
  timeNs @4 :Int64;

  action @5 :BookAction;
  side @6 :Common.Side;
  flags @7 :UInt16;
  # Bit 0 last event of its command, bit 1 part of a snapshot.
  reserved @8 :UInt16;

  instrumentId @9 :UInt32;
  levelOrderCount @10 :UInt32;
  # Orders left at the level after this event.
  instrumentSequence @11 :UInt64;
  # Contiguous per instrument within an epoch.

  orderId @12 :UInt64;
  priceUnits @13 :Int64;
  quantityUnits @14 :Int64;
  levelQuantityUnits @15 :Int64;
  # Visible quantity left at the level after this event.
  matchId @16 :UInt64;
  commandSequence @17 :UInt64;
}
