"""NASDAQ TotalView-ITCH 5.0: binary messages, each behind two bytes of framing.

The framing is the length, or zeros in files that were cut out of a longer one, so the length is
taken from the message type. Source: NASDAQ TotalView-ITCH 5.0 specification.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tradecaptain.collector.feeds.sources import Source, file_error, typed_read_errors
from tradecaptain.wire import reason

ALPHA: Final = "alpha"
INTEGER: Final = "integer"
PRICE_4: Final = "price with four decimals"
PRICE_8: Final = "price with eight decimals"
PRICE_SCALES: Final = {PRICE_4: 10**4, PRICE_8: 10**8}

_ENVELOPE = (
    ("stock_locate", INTEGER, 2),
    ("tracking_number", INTEGER, 2),
    ("timestamp", INTEGER, 6),
)
_ORDER = (("order_reference_number", INTEGER, 8),)
_ADD = (
    *_ORDER,
    ("buy_sell_indicator", ALPHA, 1),
    ("shares", INTEGER, 4),
    ("stock", ALPHA, 8),
    ("price", PRICE_4, 4),
)
_EXECUTED = (*_ORDER, ("executed_shares", INTEGER, 4), ("match_number", INTEGER, 8))

_BODIES: Final[dict[str, tuple[tuple[str, str, int], ...]]] = {
    "S": (("event_code", ALPHA, 1),),
    "R": (
        ("stock", ALPHA, 8),
        ("market_category", ALPHA, 1),
        ("financial_status_indicator", ALPHA, 1),
        ("round_lot_size", INTEGER, 4),
        ("round_lots_only", ALPHA, 1),
        ("issue_classification", ALPHA, 1),
        ("issue_sub_type", ALPHA, 2),
        ("authenticity", ALPHA, 1),
        ("short_sale_threshold_indicator", ALPHA, 1),
        ("ipo_flag", ALPHA, 1),
        ("luld_ref", ALPHA, 1),
        ("etp_flag", ALPHA, 1),
        ("etp_leverage_factor", INTEGER, 4),
        ("inverse_indicator", ALPHA, 1),
    ),
    "H": (
        ("stock", ALPHA, 8),
        ("trading_state", ALPHA, 1),
        ("reserved", ALPHA, 1),
        ("reason", ALPHA, 4),
    ),
    "Y": (("stock", ALPHA, 8), ("reg_sho_action", ALPHA, 1)),
    "L": (
        ("mpid", ALPHA, 4),
        ("stock", ALPHA, 8),
        ("primary_market_maker", ALPHA, 1),
        ("market_maker_mode", ALPHA, 1),
        ("market_participant_state", ALPHA, 1),
    ),
    "V": (("level1_price", PRICE_8, 8), ("level2_price", PRICE_8, 8), ("level3_price", PRICE_8, 8)),
    "W": (("breached_level", ALPHA, 1),),
    "K": (
        ("stock", ALPHA, 8),
        ("ipo_release_time", INTEGER, 4),
        ("ipo_release_qualifier", ALPHA, 1),
        ("ipo_price", PRICE_4, 4),
    ),
    "J": (
        ("stock", ALPHA, 8),
        ("auction_collar_reference_price", PRICE_4, 4),
        ("upper_auction_collar_price", PRICE_4, 4),
        ("lower_auction_collar_price", PRICE_4, 4),
        ("auction_collar_extention", INTEGER, 4),
    ),
    "h": (("stock", ALPHA, 8), ("market_code", ALPHA, 1), ("operational_halt_action", ALPHA, 1)),
    "A": _ADD,
    "F": (*_ADD, ("attribution", ALPHA, 4)),
    "E": _EXECUTED,
    "C": (*_EXECUTED, ("printable", ALPHA, 1), ("execution_price", PRICE_4, 4)),
    "X": (*_ORDER, ("cancelled_shares", INTEGER, 4)),
    "D": _ORDER,
    "U": (
        *_ORDER,
        ("new_order_reference_number", INTEGER, 8),
        ("shares", INTEGER, 4),
        ("price", PRICE_4, 4),
    ),
    "P": (*_ADD, ("match_number", INTEGER, 8)),
    "Q": (
        ("shares", INTEGER, 8),
        ("stock", ALPHA, 8),
        ("cross_price", PRICE_4, 4),
        ("match_number", INTEGER, 8),
        ("cross_type", ALPHA, 1),
    ),
    "B": (("match_number", INTEGER, 8),),
    "I": (
        ("paired_shares", INTEGER, 8),
        ("imbalance_shares", INTEGER, 8),
        ("imbalance_direction", ALPHA, 1),
        ("stock", ALPHA, 8),
        ("far_price", PRICE_4, 4),
        ("near_price", PRICE_4, 4),
        ("current_reference_price", PRICE_4, 4),
        ("cross_type", ALPHA, 1),
        ("variation_indicator", ALPHA, 1),
    ),
    "N": (("stock", ALPHA, 8), ("interest_flag", ALPHA, 1)),
    "O": (
        ("stock", ALPHA, 8),
        ("open_eligibility_status", ALPHA, 1),
        ("minimum_allowable_price", PRICE_4, 4),
        ("maximum_allowable_price", PRICE_4, 4),
        ("near_execution_price", PRICE_4, 4),
        ("near_execution_time", INTEGER, 8),
        ("lower_price_range_collar", PRICE_4, 4),
        ("upper_price_range_collar", PRICE_4, 4),
    ),
}
FIELDS: Final = {kind: (*_ENVELOPE, *body) for kind, body in _BODIES.items()}
LENGTHS: Final = {kind: 1 + sum(size for _, _, size in fields) for kind, fields in FIELDS.items()}

_FRAME_BYTES = 2
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ItchMessage:
    """One message: where it lies in the unpacked file, its type, and its fields by name.

    Prices are integers in the decimals of their kind.
    """

    offset: int
    kind: str
    fields: dict[str, Any]


def itch_messages(source: Source) -> Iterator[ItchMessage]:
    """All messages of a file; an unknown type or a cut message is a typed error."""
    with typed_read_errors(source.name), source.opener() as stream:
        held = b""
        offset = 0
        while True:
            more = stream.read(_READ_BYTES)
            held += more
            position = 0
            while position + _FRAME_BYTES < len(held):
                kind = chr(held[position + _FRAME_BYTES])
                length = LENGTHS.get(kind)
                if length is None:
                    detail = f"no message type {kind!r} at byte {offset + position + _FRAME_BYTES}"
                    raise file_error(reason.REASON_MALFORMED_FILE, source.name, detail)
                end = position + _FRAME_BYTES + length
                if end > len(held):
                    break
                start = position + _FRAME_BYTES
                yield ItchMessage(offset + start, kind, decode(kind, held[start:end]))
                position = end
            held = held[position:]
            offset += position
            if not more:
                if held:
                    raise EOFError
                return


def decode(kind: str, body: bytes) -> dict[str, Any]:
    """Fields of one message."""
    fields: dict[str, Any] = {}
    position = 1
    for name, form, size in FIELDS[kind]:
        piece = body[position : position + size]
        position += size
        fields[name] = (
            piece.decode("latin-1").rstrip() if form == ALPHA else int.from_bytes(piece, "big")
        )
    return fields
