"""``tradecaptain verify matching FILE…``: published matching cases against the engine.

Reads two shapes, told apart by content: cases of steps with set-ups, and cases of an initial book
and one request in JSE style. A case that needs what the engine doesn't offer is not applicable,
with the reason; so is one whose note calls it a venue's policy that isn't ours.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from tradecaptain.base.bounded_file import read_bounded
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.cli.verify.matching_books import judge_book_case
from tradecaptain.cli.verify.matching_steps import judge_step_case
from tradecaptain.cli.verify.matching_venue import CaseFailed, NotOffered
from tradecaptain.cli.verify_result import Failure, VerifyResult, unreadable
from tradecaptain.wire import reason

KIND = "matching"
HELP = "Matching cases: trades in order, both sides of the book, refusals."


def load_cases(path: Path) -> dict[str, Any]:
    """Read a file of cases; numbers are exact, and what isn't such a file is refused."""
    try:
        document = json.loads(read_bounded(path).decode(), parse_float=Decimal)
    except OSError as error:
        raise TradeCaptainError(
            reason.REASON_UNRECOGNISED_FILE, f"{path}: {error.strerror}"
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError, InvalidOperation, RecursionError) as error:
        raise TradeCaptainError(
            reason.REASON_MALFORMED_FILE, f"{path}: not JSON: {error}"
        ) from error
    if not isinstance(document, dict) or not isinstance(document.get("cases"), list):
        raise TradeCaptainError(
            reason.REASON_UNRECOGNISED_FILE, f"{path}: no list of matching cases"
        )
    return document


def judge_case(document: dict[str, Any], case: Any) -> None:
    """Judge one case of either shape; raises `CaseFailed` or `NotOffered` unless it passes."""
    if not isinstance(case, dict) or not isinstance(case.get("id"), str):
        raise CaseFailed("not an object with an id")
    if "initial_book" in case:
        judge_book_case(case)
    elif isinstance(case.get("expect"), dict):
        judge_step_case(document.get("setups", {}), case)
    else:
        raise NotOffered("a case of another shape than steps or initial book")


def judge(files: list[Path]) -> VerifyResult:
    """Judge every case of every file."""
    passed = 0
    failures: list[Failure] = []
    skipped: Counter[str] = Counter()
    for path in files:
        try:
            document = load_cases(path)
        except TradeCaptainError as error:
            failures.append(unreadable(path, error))
            continue
        for index, case in enumerate(document["cases"]):
            name = str(case.get("id", index)) if isinstance(case, dict) else str(index)
            try:
                judge_case(document, case)
            except NotOffered as error:
                skipped[str(error)] += 1
            except CaseFailed as error:
                failures.append(Failure(name, str(error)))
            except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
                failures.append(Failure(name, f"malformed case: {error!r}"))
            else:
                passed += 1
    return VerifyResult(passed=passed, failures=failures, not_applicable=skipped)
