"""Everything that values something, per core, with its peers in the same run.

Each part of the library has a module ``pricing_<part>.py`` beside this one whose
``measure(smoke: bool) -> list[Result]`` gives its metrics, all named ``pricing.…``; what is printed
on standard error says which form of a kernel ran, and on what.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from perf.support.machine import core_pair, pinned_to
from perf.support.result import Result

PLACEMENT = "one thread on the first core"


def parts() -> list[str]:
    """Modules that measure a part, by name."""
    return [
        f"perf.micro.{path.stem}" for path in sorted(Path(__file__).parent.glob("pricing_*.py"))
    ]


def run(smoke: bool) -> list[Result]:
    """The metrics of all parts."""
    with pinned_to(core_pair()[0]):
        return [
            result for part in parts() for result in importlib.import_module(part).measure(smoke)
        ]
