"""Databento market-by-order records, from CSV and from DBN files of versions 1 to 3.

Prices are integers in 1e-9 of the currency, as the vendor stores them. Source: Databento
documentation, "Market by order (MBO)" and the DBN encoding.
"""

from __future__ import annotations

import csv
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from tradecaptain.collector.feeds.capture import text_lines
from tradecaptain.collector.feeds.sources import Source, file_error, typed_read_errors
from tradecaptain.wire import reason

UNDEFINED_PRICE = (1 << 63) - 1
PRICE_SCALE = 10**9
FLAG_LAST = 128
RTYPE_MBO = 160

_HEADER = struct.Struct("<BBHIQ")
_MBO = struct.Struct("<QqIBBccQiI")
_DBN_PREFIX_BYTES = 8
_METADATA_BYTES_MAX = 64 << 20


@dataclass(frozen=True, slots=True)
class MboRecord:
    """One record: an order's add, cancel, modify, fill, a trade, or the clearing of the book."""

    row: int
    instrument_id: int
    action: str
    side: str
    price: int | None
    size: int
    order_id: int
    flags: int
    sequence: int


def price_of(text: str) -> int | None:
    """A price in 1e-9, exactly; None where there is none."""
    if not text:
        return None
    scaled = Decimal(text) * PRICE_SCALE
    units = int(scaled)
    if units != scaled:
        raise ValueError(f"price {text} has more than nine decimals")
    return units


def csv_rows(source: Source) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and fields by name of every row of a CSV file with a header."""
    lines = text_lines(source)
    names: list[str] = []
    for row, line in lines:
        try:
            fields = next(csv.reader([line.decode("utf-8-sig")]), [])
        except (UnicodeDecodeError, csv.Error) as error:
            detail = f"row {row} isn't CSV text: {error}"
            raise file_error(reason.REASON_MALFORMED_FILE, source.name, detail) from error
        if not names:
            names = fields
        elif len(fields) != len(names):
            detail = f"row {row} has {len(fields)} fields, not {len(names)}"
            raise file_error(reason.REASON_MALFORMED_FILE, source.name, detail)
        else:
            yield row, dict(zip(names, fields, strict=True))


def csv_records(source: Source) -> Iterator[MboRecord]:
    """Records of a CSV file; a row that can't be read is a typed error."""
    for row, fields in csv_rows(source):
        try:
            yield MboRecord(
                row,
                int(fields["instrument_id"]),
                fields["action"],
                fields["side"],
                price_of(fields["price"]),
                int(fields["size"]),
                int(fields["order_id"]),
                int(fields["flags"]),
                int(fields["sequence"]),
            )
        except (KeyError, ValueError, InvalidOperation) as error:
            detail = f"row {row} isn't a market-by-order record ({error})"
            raise file_error(reason.REASON_MALFORMED_FILE, source.name, detail) from error


def dbn_records(source: Source) -> Iterator[MboRecord]:
    """The market-by-order records of a DBN file; records of other schemas are passed over."""
    with typed_read_errors(source.name), source.opener() as stream:
        prefix = stream.read(_DBN_PREFIX_BYTES)
        metadata_bytes = int.from_bytes(prefix[4:8], "little")
        if metadata_bytes > _METADATA_BYTES_MAX:
            detail = f"metadata of {metadata_bytes} bytes"
            raise file_error(reason.REASON_MALFORMED_FILE, source.name, detail)
        if len(stream.read(metadata_bytes)) < metadata_bytes:
            raise EOFError
        row = 0
        while head := stream.read(1):
            row += 1
            length = head[0] * 4
            body = head + stream.read(max(length - 1, 0))
            if length < _HEADER.size:
                detail = f"record {row} has a length of {length} bytes"
                raise file_error(reason.REASON_MALFORMED_FILE, source.name, detail)
            if len(body) < length:
                raise EOFError
            if body[1] == RTYPE_MBO and length >= _HEADER.size + _MBO.size:
                yield _dbn_record(row, body)


def _dbn_record(row: int, body: bytes) -> MboRecord:
    _, _, _, instrument_id, _ = _HEADER.unpack_from(body)
    order_id, price, size, flags, _, action, side, _, _, sequence = _MBO.unpack_from(
        body, _HEADER.size
    )
    return MboRecord(
        row,
        instrument_id,
        action.decode("latin-1"),
        side.decode("latin-1"),
        None if price == UNDEFINED_PRICE else price,
        size,
        order_id,
        flags,
        sequence,
    )
