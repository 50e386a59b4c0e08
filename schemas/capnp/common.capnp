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
}

enum TimeInForce {
  unset @0;
  day @1;
  goodTillCancel @2;
  immediateOrCancel @3;
  fillOrKill @4;
  goodTillDate @5;
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
