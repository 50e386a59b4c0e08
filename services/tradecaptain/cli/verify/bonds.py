"""``tradecaptain verify bonds FILE…``: day counts, bonds, curves and credit as published.

A file is one JSON object of blocks. Most have ``cases``; what a block has besides or instead (a
grid, the nodes of a curve, a list of upfronts) is taken for cases as well. Blocks are judged by the
modules of ``bond_blocks``; one that none of them has counts as not applicable, by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.cli.verify.bond_blocks import curves, day_counts, published, textbook
from tradecaptain.cli.verify_case import (
    NO_CASES,
    Judge,
    are_cases,
    judge_families,
    merge_families,
)
from tradecaptain.cli.verify_file import read_object
from tradecaptain.cli.verify_result import VerifyResult
from tradecaptain.wire import reason as reasons

KIND = "bonds"
HELP = "Day counts, bond prices and yields, curves, credit default swaps by published cases (JSON)."

JUDGES: Final[dict[str, Judge]] = merge_families(
    (day_counts.FAMILIES, textbook.FAMILIES, published.FAMILIES, curves.FAMILIES)
)
GRIDS: Final = ("grid",)


def _families(name: str, block: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """A block as families with cases."""
    if name in curves.CASES_OF_BLOCK:
        return {name: {**block, "cases": curves.CASES_OF_BLOCK[name](block)}}
    families: dict[str, Mapping[str, Any]] = {}
    if "cases" in block:
        families[name] = block
    for grid in GRIDS:
        if grid in block:
            families[f"{name}.{grid}"] = {**block, "cases": block[grid]}
    # A block of another shape is one case that nobody can judge.
    return families or {name: {"cases": [dict(block)]}}


def read_blocks(path: Path) -> dict[str, Mapping[str, Any]]:
    """All blocks of a file as families of cases; refuses a file that has no blocks."""
    document = read_object(path)
    families: dict[str, Mapping[str, Any]] = {}
    for name, block in document.items():
        if isinstance(block, Mapping):
            families.update(_families(name, block))
        elif not isinstance(block, str):
            families[name] = NO_CASES
    if not are_cases(families):
        raise TradeCaptainError(
            reasons.REASON_UNRECOGNISED_FILE,
            f"{path} is not an object of blocks with cases",
            field=str(path),
        )
    return families


def judge(files: list[Path]) -> VerifyResult:
    """Judge every case of the files."""
    return judge_families(files, JUDGES, "isn't computed", read=read_blocks)
