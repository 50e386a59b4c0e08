"""``tradecaptain verify indicators FILE… [--quotes FILE]``: indicator values as published.

Three shapes are told apart by content: values of TA-Lib, which every case must meet, and those of
Stock.Indicators and Tulip Indicators, which are graded where their definition is TA-Lib's. Files
may be compressed (``.xz``). Those of TA-Lib and Stock.Indicators name the quotes that they were
computed on; these lie beside them, or are given by ``--quotes``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.cli.verify.indicator_sources import stock_indicators, talib, tulip
from tradecaptain.cli.verify.indicator_sources.comparison import Quotes, quotes_beside
from tradecaptain.cli.verify_case import MalformedError, NotApplicableError, WrongError
from tradecaptain.cli.verify_file import read_object
from tradecaptain.cli.verify_result import Failure, VerifyResult, unreadable
from tradecaptain.wire import reason as reasons

KIND = "indicators"
HELP = "Indicator values of TA-Lib, Stock.Indicators and Tulip Indicators (JSON, also .xz)."
TAKES_QUOTES: Final = True

SOURCES: Final = (talib, stock_indicators, tulip)


def _source_of(document: dict[str, Any], path: Path) -> ModuleType:
    for source in SOURCES:
        if source.is_ours(document):
            return source
    raise TradeCaptainError(
        reasons.REASON_UNRECOGNISED_FILE,
        f"{path} has neither functions, indicators nor vectors",
        field=str(path),
    )


def judge(files: list[Path], quotes: Path | None = None) -> VerifyResult:
    """Judge every case of the files."""
    passed = 0
    failures: list[Failure] = []
    not_applicable: Counter[str] = Counter()
    for path in files:
        try:
            document = read_object(path)
            source = _source_of(document, path)
            columns: Quotes = {} if source is tulip else quotes_beside(document, path, quotes)
        except TradeCaptainError as error:
            failures.append(unreadable(path, error))
            continue
        for name, case in source.cases(document):
            try:
                source.judge(name, case, columns)
            except NotApplicableError as error:
                not_applicable[str(error)] += 1
            except WrongError as error:
                failures.append(Failure(name, str(error)))
            except MalformedError as error:
                failures.append(Failure(name, f"malformed case: {error}"))
            else:
                passed += 1
    return VerifyResult(passed, failures, dict(not_applicable))
