"""What the naive venue keeps: numbers of the mesh records, an order, a book."""

from __future__ import annotations

from dataclasses import dataclass, field

BUY, SELL = 1, 2
LIMIT, MARKET, STOP, STOP_LIMIT, TRAILING, PEGGED = 1, 2, 3, 4, 5, 6
DAY, GTC, IOC, FOK, GTD, AT_OPEN, AT_CLOSE = 1, 2, 3, 4, 5, 6, 7
NEW, CANCEL, REPLACE, MASS_CANCEL = 1, 2, 3, 4
ACCEPTED, REJECTED, TRADE, CANCELLED, REPLACED, EXPIRED = 1, 2, 3, 4, 5, 6
CANCEL_REJECTED, REPLACE_REJECTED, ORDER_STATUS, MASS_CANCEL_DONE = 7, 8, 11, 12
RESTATED, TRIGGERED = 13, 14
IS_WORKING, IS_PARTIAL, IS_FILLED, IS_CANCELLED, IS_REJECTED, IS_EXPIRED = 1, 2, 3, 4, 5, 6
MAKER, TAKER, AUCTION = 1, 2, 3
ADD, REDUCE, REMOVE, BOOK_TRADE, INDICATIVE, PHASE = 1, 2, 3, 4, 6, 7
NEWEST, OLDEST, BOTH, DECREMENT = 1, 2, 3, 4
SAME_SIDE, OTHER_SIDE, MIDPOINT = 1, 2, 3
OCO, ENTRY, EXIT = 1, 2, 3
CONTINUOUS, CLOSED, HALTED, OPENING, CLOSING, VOLATILITY, INTRADAY = 1, 2, 3, 4, 5, 6, 7
PRICE_TIME, PRO_RATA, PRO_RATA_TOP, BATCH, FILTER = 1, 2, 3, 4, 5
POST_ONLY, REDUCE_ONLY, HIDDEN, ALL_OR_NONE, PART, SLIDE, TOP, BOUNDED = 1, 2, 4, 8, 16, 32, 64, 128
LOCATED = 1 << 15
LARGEST = 2**63 - 1
SMALLEST = -(2**63)
GROUP_LIMIT = 8
CONDITIONAL_LIMIT = 256

Command = dict[str, int]
Event = dict[str, int]

PARTY_FIELDS = (
    "client_order_id0",
    "client_order_id1",
    "client_order_id2",
    "client_order_id3",
    "firm_id",
    "session_id",
    "trader_id",
    "strategy_id",
    "order_type",
    "time_in_force",
    "self_trade_group",
)


@dataclass(eq=False)
class Order:
    order_id: int
    account_id: int
    instrument_id: int
    side: int
    price: int
    total: int
    leaves: int
    party: dict[str, int]
    tag: int
    kind: int = LIMIT
    force: int = DAY
    instructions: int = 0
    display: int = 0
    minimum_visible: int = 0
    visible: int = 0
    minimum: int = 0
    stop: int | None = None
    offset: int = 0
    basis_points: int = 0
    peg: int = 0
    limit: int = 0
    expire_time: int = 0
    self_trade: int = 0
    group: int = 0
    role: int = 0
    asleep: bool = False
    is_ready: bool = False
    is_doomed: bool = False

    @property
    def is_hidden(self) -> bool:
        return bool(self.instructions & HIDDEN)

    @property
    def is_stop(self) -> bool:
        return self.kind in (STOP, STOP_LIMIT, TRAILING)

    @property
    def is_market(self) -> bool:
        """Without a price once it is awake."""
        return self.kind in (MARKET, STOP, TRAILING)

    @property
    def may_rest(self) -> bool:
        return not self.is_market and self.force not in (IOC, FOK)

    @property
    def shown(self) -> int:
        """What the public sees of it."""
        if self.is_hidden:
            return 0
        return self.visible if self.display else self.leaves

    @property
    def slice(self) -> int:
        """What one trade can take of it."""
        return self.visible if self.display else self.leaves

    @property
    def required(self) -> int:
        """The least that has to trade at once."""
        if self.instructions & ALL_OR_NONE:
            return self.leaves
        return min(self.minimum, self.leaves)

    @property
    def is_conditional(self) -> bool:
        return self.required > 0

    @property
    def filled(self) -> int:
        return self.total - self.leaves

    @property
    def working_status(self) -> int:
        return IS_PARTIAL if self.filled else IS_WORKING


@dataclass
class Book:
    instrument_id: int
    lowest_price: int = SMALLEST
    highest_price: int = LARGEST
    largest_quantity: int = LARGEST
    lot: int = 1
    tick: int = 1
    allocation: int = PRICE_TIME
    minimum_share: int = 0
    batch_interval_ns: int = 0
    sequence: int = 0
    divergence: int = 0
    phase: int = CONTINUOUS
    auction_end_ns: int = 0
    low_band: int = SMALLEST
    high_band: int = LARGEST
    dynamic_band: int = 0
    pause_ns: int = 0
    last: int | None = None
    orders: list[Order] = field(default_factory=list)  # in the ladder, in time order
    parked: list[Order] = field(default_factory=list)  # everything else, as they began to wait
    indication: tuple[int, int, int] = (0, 0, 0)
    trailed_last: int | None = None
    indication_interval_ns: int = 0
    indicated_ns: int = 0  # when the auction's last indication was told
    indication_due_ns: int = 0  # when one that was held back is due
    filtered: list[Order] = field(default_factory=list)
    looked_at: list[tuple[int, int]] | None = None

    @property
    def is_auction(self) -> bool:
        return self.phase in (OPENING, CLOSING, VOLATILITY, INTRADAY)

    @property
    def peg_count(self) -> int:
        """Pegged orders that are awake."""
        pegs = [o for o in [*self.orders, *self.parked] if o.kind == PEGGED]
        return sum(not o.asleep and not o.is_ready for o in pegs)

    @property
    def hidden_count(self) -> int:
        return sum(o.is_hidden for o in self.orders)

    @property
    def best_levels(self) -> list[tuple[int, int]]:
        """Best price of each side and the open quantity there, hidden orders and all."""
        sides = [self.side(BUY), self.side(SELL)]
        return [
            (o[0].price, sum(x.leaves for x in self.level(o[0].side, o[0].price))) if o else (0, 0)
            for o in sides
        ]

    @property
    def is_full_of_conditions(self) -> bool:
        """Whether no further order that sets a condition may rest."""
        return sum(o.is_conditional for o in self.orders) >= CONDITIONAL_LIMIT

    @property
    def is_pro_rata(self) -> bool:
        return self.allocation in (PRO_RATA, PRO_RATA_TOP)

    def side(self, side: int) -> list[Order]:
        """Orders of a side in priority: best price first, displayed first, then time."""
        sign = -1 if side == BUY else 1
        return sorted(
            (o for o in self.orders if o.side == side), key=lambda o: (sign * o.price, o.is_hidden)
        )

    def level(self, side: int, price: int) -> list[Order]:
        return [o for o in self.orders if o.side == side and o.price == price]

    def levels(self) -> int:
        return len({(o.side, o.price) for o in self.orders})

    def best_shown(self, side: int) -> int | None:
        """Best price of displayed orders that follow no other price and set no condition."""
        plain = [
            o
            for o in self.side(side)
            if not o.is_hidden and o.kind != PEGGED and not o.is_conditional
        ]
        return plain[0].price if plain else None


def crosses(side: int, limit: int | None, price: int) -> bool:
    """Whether an order of a side with this limit (None: any price) may trade at a price."""
    if limit is None:
        return True
    return price <= limit if side == BUY else price >= limit


def clamp(value: int) -> int:
    return max(SMALLEST, min(LARGEST, value))
