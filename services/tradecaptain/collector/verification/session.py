"""One verification session over several files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.collector.feeds.databento import csv_records, dbn_records
from tradecaptain.collector.feeds.recognise import ContentKind, recognise
from tradecaptain.collector.feeds.sources import Source, file_error, open_sources
from tradecaptain.collector.replayed import pair_by_name
from tradecaptain.collector.verification.binance import verify_binance
from tradecaptain.collector.verification.crypto import verify_crypto
from tradecaptain.collector.verification.databento import verify_against_prices, verify_records
from tradecaptain.collector.verification.itch import verify_itch
from tradecaptain.collector.verification.lobster import verify_lobster
from tradecaptain.collector.verification.outcome import Outcome
from tradecaptain.wire import reason

Recognised = dict[ContentKind, list[Source]]


def recognise_files(paths: Iterable[Path], outcome: Outcome) -> Recognised:
    """Open each file and sort its streams by kind; what can't be used is counted as failed."""
    recognised: Recognised = defaultdict(list)
    for path in paths:
        try:
            kinds = [(recognise(source.head()), source) for source in open_sources(path)]
            useful = [
                pair for pair in kinds if pair[0] not in (ContentKind.UNKNOWN, ContentKind.TEXT)
            ]
            if not useful:
                detail = "the content is of no supported format"
                raise file_error(reason.REASON_UNRECOGNISED_FILE, str(path), detail)
        except TradeCaptainError as error:
            outcome.add_error(str(path), error)
            continue
        for kind, source in kinds:
            recognised[kind].append(source)
    return recognised


def guarded(outcome: Outcome, name: str, judge: Callable[[], None]) -> None:
    """Run one judge; an error that ends it is one failure of the session."""
    try:
        judge()
    except TradeCaptainError as error:
        outcome.add_error(name, error)


def pair_lobster(recognised: Recognised, outcome: Outcome) -> list[tuple[Source, Source]]:
    """Pair message with order book files."""
    books = list(recognised.get(ContentKind.LOBSTER_BOOK, []))
    pairs: list[tuple[Source, Source]] = []
    for messages in recognised.get(ContentKind.LOBSTER_MESSAGES, []):
        match = pair_by_name(messages, books)
        if match is None:
            detail = "there is no order book file beside the message file"
            detail += _unknown_beside(messages, recognised)
            outcome.add_error(
                messages.name, file_error(reason.REASON_UNRECOGNISED_FILE, messages.name, detail)
            )
            continue
        books.remove(match)
        pairs.append((messages, match))
    for book in books:
        detail = "there is no message file beside the order book file"
        detail += _unknown_beside(book, recognised)
        outcome.add_error(book.name, file_error(reason.REASON_UNRECOGNISED_FILE, book.name, detail))
    return pairs


def _unknown_beside(source: Source, recognised: Recognised) -> str:
    """What could be the missing one, were its content of a supported format."""
    unknown = recognised.get(ContentKind.UNKNOWN, [])
    names = [other.name for other in unknown if other.path == source.path]
    return f"; {', '.join(names)} is of no supported format" if names else ""


def verify_files(paths: Iterable[Path]) -> Outcome:
    """Verify all files as one session."""
    outcome = Outcome()
    recognised = recognise_files(paths, outcome)
    for messages, book in pair_lobster(recognised, outcome):
        guarded(outcome, messages.name, lambda m=messages, b=book: verify_lobster(m, b, outcome))  # type: ignore[misc]
    if captures := recognised.get(ContentKind.BINANCE):
        guarded(outcome, captures[0].name, lambda: verify_binance(captures, outcome))
    for source in recognised.get(ContentKind.CRYPTO_CAPTURE, []):
        guarded(outcome, source.name, lambda s=source: verify_crypto(s, outcome))  # type: ignore[misc]
    verify_databento(recognised, outcome)
    verify_itch_files(recognised, outcome)
    return outcome


def verify_itch_files(recognised: Recognised, outcome: Outcome) -> None:
    """Binary files, each against the decoded twin beside it where there is one."""
    twins = list(recognised.get(ContentKind.ITCH_DECODED, []))
    for source in recognised.get(ContentKind.ITCH, []):
        twin = twins.pop(0) if twins else None
        guarded(outcome, source.name, lambda s=source, t=twin: verify_itch(s, t, outcome))  # type: ignore[misc]
    for source in twins:
        detail = "there is no ITCH file beside the decoded one"
        error = file_error(reason.REASON_UNRECOGNISED_FILE, source.name, detail)
        outcome.add_error(source.name, error)


def verify_databento(recognised: Recognised, outcome: Outcome) -> None:
    """Order files, each against the price file beside it where there is one."""
    lines = list(recognised.get(ContentKind.DATABENTO_MBP10, []))
    for source in recognised.get(ContentKind.DATABENTO_MBO, []):
        twin = lines.pop(0) if lines else None
        guarded(outcome, source.name, lambda s=source, t=twin: _verify_orders(s, t, outcome))  # type: ignore[misc]
    for source in recognised.get(ContentKind.DATABENTO_DBN, []):
        guarded(
            outcome,
            source.name,
            lambda s=source: verify_records(s.name, dbn_records(s), outcome),  # type: ignore[misc]
        )
    for source in lines:
        detail = "there is no market-by-order file beside the market-by-price file"
        error = file_error(reason.REASON_UNRECOGNISED_FILE, source.name, detail)
        outcome.add_error(source.name, error)


def _verify_orders(source: Source, lines: Source | None, outcome: Outcome) -> None:
    if lines is None:
        verify_records(source.name, csv_records(source), outcome)
    else:
        verify_against_prices(list(csv_records(source)), source.name, lines, outcome)
