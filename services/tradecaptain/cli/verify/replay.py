"""``replay FILE… --verify``: vendor files against what the vendor itself says about its book."""

from __future__ import annotations

from pathlib import Path

from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.cli.verify_result import Failure, VerifyResult
from tradecaptain.collector.verification.session import verify_files

KIND = "replay"
HELP = "Replay vendor files into mirror books and compare every row that the vendor tells."

_NANOSECONDS = 1_000_000_000


def judge(files: list[Path]) -> VerifyResult:
    """Verify all files as one session. A tick is one source message."""
    started_ns = SYSTEM_CLOCK.monotonic_ns()
    outcome = verify_files(files)
    elapsed_ns = max(SYSTEM_CLOCK.monotonic_ns() - started_ns, 1)
    return VerifyResult(
        passed=outcome.passed,
        failures=[Failure(identifier, why) for identifier, why in outcome.failures],
        not_applicable=dict(outcome.not_applicable),
        failed=outcome.failed,
        reasons=dict(outcome.reasons),
        extra={
            "rows": outcome.rows,
            "inconsistent_rows": outcome.inconsistent_rows,
            "revealed_levels": outcome.revealed_levels,
            "ticks_per_second": round(outcome.source_messages * _NANOSECONDS / elapsed_ns),
            **outcome.extra,
        },
    )
