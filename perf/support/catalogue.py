"""The benchmarks of this folder, found by their files: one module, one name."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

_ROOT = Path(__file__).resolve().parent.parent
_FOLDERS = ("micro", "topology", "end_to_end")


def benchmark_files() -> dict[str, str]:
    """Module of each benchmark by its name: files that define ``run``."""
    return {
        path.stem: f"perf.{folder}.{path.stem}"
        for folder in _FOLDERS
        for path in sorted((_ROOT / folder).glob("*.py"))
        if "\ndef run(smoke: bool)" in path.read_text(encoding="utf-8")
    }


def load(name: str) -> ModuleType:
    """Import a benchmark; ``KeyError`` if there is none of that name."""
    return importlib.import_module(benchmark_files()[name])
