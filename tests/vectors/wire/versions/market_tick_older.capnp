@0xb1f0c7a2d4e86b01;
# A version of MarketTick from before quotes and vendor ids.

using Common = import "/common.capnp";

enum TickType {
  unset @0;
  trade @1;
  quote @2;
  # Best bid and ask after the source message.
  level @3;
  # One price level changed; quantity zero removes it.
  clear @4;
  # The book of the instrument is empty from here on.
  status @5;
}

enum TickSource {
  unset @0;
  simulator @1;
  lobster @2;
  binance @3;
}

struct MarketTick {
  const currentVersion :UInt16 = 1;
  # Grows with every field that is added.

  kind @0 :UInt16;
  schemaVersion @1 :UInt16;
  epoch @2 :UInt32;
  sequence @3 :UInt64;
  timeNs @4 :Int64;
  # Publish time, ns UTC.

  tickType @5 :TickType;
  side @6 :Common.Side;
  # Level: the side of the book. Trade: the aggressor's side.
  flags @7 :UInt16;
  # Bit 0 snapshot, bit 1 last of its source message, bit 2 stale, bit 3 gap before this,
  # bit 4 hidden execution.
  source @8 :TickSource;

  instrumentId @9 :UInt32;
  orderCount @10 :UInt32;
  # Orders at the level where the source tells; zero where it does not.
  instrumentSequence @11 :UInt64;
  vendorSequence @12 :UInt64;
  eventTimeNs @13 :Int64;
  receiveTimeNs @14 :Int64;

  priceUnits @15 :Int64;
  quantityUnits @16 :Int64;
}
