"""Asking memory ahead for the orders that a walk over all books will come to.

Orders and levels name each other: who follows them in the order of the walk waits for memory once
an order. Several runners go through sides of their own at the same time instead, so that they wait
together: a runner takes one order a turn, and the next side that nobody has once its own is done.
Nothing that is done here changes what the walk does.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import (
    load_i32,
    load_i64,
    prefetch_read,
    prefetch_write,
    store_i32,
    store_i64,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import PARTY_BYTES, RUNNER_BYTES, RUNNERS
from tradecaptain.kernels.matching.levels import (
    BUY,
    SELL,
    best_level,
    level_head,
    order_behind,
    worse_level,
)
from tradecaptain.kernels.matching.tables import (
    book_at,
    level_at,
    neighbours_at,
    order_at,
    party_at,
    side_at,
)

SIDES_A_LOOK = 8
BOOKS_AHEAD = 8
TURNS_AN_ORDER = 2
ORDERS_AHEAD = 96 * RUNNERS
"""How far the runners are ahead of the walk: what they have asked for fits the second cache."""


@inline
def ask_for(engine: int, slot: int) -> None:
    """Ask memory for what a visit of an order reads first; slot 0 is nobody's."""
    party = party_at(engine, slot)
    prefetch_write(order_at(engine, slot))
    prefetch_write(neighbours_at(engine, slot))
    prefetch_read(party)
    prefetch_read(party + PARTY_BYTES - 1)


@inline
def next_side(engine: int) -> int:
    """Best level of the next side that has one, of those that the look ahead comes to; or 0."""
    only_book = load_i64(engine + at.HEADER_FILTER_BOOK)
    for _ in range(SIDES_A_LOOK):
        book = load_i64(engine + at.HEADER_AHEAD_BOOK)
        side = load_i64(engine + at.HEADER_AHEAD_SIDE) + 1
        if side > SELL:
            side = BUY
            book += 1
        if book > load_i64(engine + at.HEADER_INSTRUMENT_COUNT) or (
            only_book != 0 and book != only_book
        ):
            return 0
        store_i64(engine + at.HEADER_AHEAD_BOOK, book)
        store_i64(engine + at.HEADER_AHEAD_SIDE, side)
        prefetch_read(book_at(engine, book + BOOKS_AHEAD))
        level = best_level(side_at(engine, book, side))
        if level != 0:
            return level
    return 0


@inline
def next_start(engine: int) -> int:
    """Level at which a runner that is done begins anew, or 0: the next one of the present side that
    nobody has begun at, as long as there are runners for it, else the best one of the next side."""
    share = load_i64(engine + at.HEADER_AHEAD_SHARE) + 1
    level = 0
    if share < load_i64(engine + at.HEADER_AHEAD_SHARES):
        level = worse_level(engine, load_i64(engine + at.HEADER_AHEAD_LEVEL))
    if level == 0:
        share = 0
        level = next_side(engine)
    store_i64(engine + at.HEADER_AHEAD_SHARE, share)
    store_i64(engine + at.HEADER_AHEAD_LEVEL, level)
    return level


@inline
def next_level(engine: int, level: int) -> int:
    """The next level behind another that is the same runner's, or 0."""
    for _ in range(load_i64(engine + at.HEADER_AHEAD_SHARES)):
        level = worse_level(engine, level)
        if level == 0:
            return 0
    return level


@inline
def take_turn(engine: int, runner: int) -> int:
    """Let a runner (by its address) ask for one order, or for the level where it begins anew.

    What it reads was asked for in its turn before: the order it stands at, and the next level.
    Returns the order, 0 if it was none.
    """
    slot = load_i32(runner + at.RUNNER_SLOT) + 0
    if slot != 0:
        slot = order_behind(engine, slot)
    if slot == 0:
        level = load_i32(runner + at.RUNNER_LEVEL) + 0
        following = next_start(engine) if level == 0 else next_level(engine, level)
        prefetch_read(level_at(engine, following))
        store_i32(runner + at.RUNNER_LEVEL, following)
        if level != 0:
            slot = level_head(engine, level)
    store_i32(runner + at.RUNNER_SLOT, slot)
    ask_for(engine, slot)
    return slot


@inline
def look_ahead(engine: int) -> None:
    """Ask for one more order: the next runner takes its turn, and another if it was at none."""
    for _ in range(TURNS_AN_ORDER):
        index = load_i64(engine + at.HEADER_RUNNER)
        store_i64(engine + at.HEADER_RUNNER, (index + 1) % RUNNERS)
        if take_turn(engine, engine + at.HEADER_RUNNERS + index * RUNNER_BYTES) != 0:
            return


@inline
def begin_looking(engine: int, book: int) -> None:
    """Send the runners ahead of a walk that begins at ``book``.

    The sides of a single book are shared by all of them, level by level.
    """
    is_single = (
        load_i64(engine + at.HEADER_FILTER_BOOK) != 0
        or load_i64(engine + at.HEADER_INSTRUMENT_COUNT) == 1
    )
    store_i64(engine + at.HEADER_AHEAD_BOOK, book)
    store_i64(engine + at.HEADER_AHEAD_SIDE, 0)
    store_i64(engine + at.HEADER_AHEAD_LEVEL, 0)
    store_i64(engine + at.HEADER_AHEAD_SHARE, 0)
    store_i64(engine + at.HEADER_AHEAD_SHARES, RUNNERS if is_single else 1)
    store_i64(engine + at.HEADER_RUNNER, 0)
    for index in range(RUNNERS):
        store_i64(engine + at.HEADER_RUNNERS + index * RUNNER_BYTES, 0)
    for _ in range(min(ORDERS_AHEAD, load_i64(engine + at.HEADER_ORDER_COUNT))):
        look_ahead(engine)
