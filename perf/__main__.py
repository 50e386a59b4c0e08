"""Run one benchmark and print what it found.

A benchmark is a module ``perf/<folder>/<name>.py`` with ``PLACEMENT``, a line that says what runs
where, and ``run(smoke: bool) -> list[Result]``. With ``--json`` standard output is exactly one
object; progress and warnings go to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys

import structlog

from perf.support.catalogue import benchmark_files, load
from perf.support.machine import describe
from perf.support.result import Result


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"


def _row(result: Result) -> list[str]:
    met = {True: "yes", False: "NO", None: ""}[result.met]
    bound = "" if result.goal is None else ("≥ " if result.higher_is_better else "≤ ")
    goal = "" if result.goal is None else bound + _number(result.goal)
    peer = "" if result.peer is None else f"{result.peer} {_number(result.peer_value)}"
    return [
        result.metric,
        f"{_number(result.value)} {result.unit}",
        goal,
        met,
        peer,
        result.why_missing or "",
    ]


def _print_table(results: list[Result]) -> None:
    rows = [["metric", "value", "goal", "met", "peer", ""], *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        )


def main(argv: list[str] | None = None) -> int:
    """Run; 2 for an unknown name."""
    parser = argparse.ArgumentParser(prog="perf", description="Run one benchmark.")
    parser.add_argument("name", nargs="?", help="which one; none lists them")
    parser.add_argument("--smoke", action="store_true", help="seconds instead of minutes; no goals")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--compile", action="store_true", help="only compile what they all need")
    arguments = parser.parse_args(argv)
    names = sorted(benchmark_files())
    if arguments.compile:
        for name in names:
            load(name)
        return 0
    if arguments.name is None:
        print(json.dumps({"benchmarks": names}) if arguments.json else "\n".join(names))
        return 0
    if arguments.name not in names:
        print(f"no benchmark {arguments.name!r}; there are {', '.join(names)}", file=sys.stderr)
        return 2
    # What services log is no part of the answer.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    module = load(arguments.name)
    results: list[Result] = module.run(arguments.smoke)
    if arguments.json:
        answer = {
            "benchmark": arguments.name,
            "machine": describe(),
            "placement": module.PLACEMENT,
            "results": [result.as_dict() for result in results],
        }
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print(f"{arguments.name} on {describe()}\n{module.PLACEMENT}")
        _print_table(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
