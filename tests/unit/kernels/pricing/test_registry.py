"""The table of families, and that its kernels are loaded no earlier than they are needed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from tradecaptain.kernels.pricing import registry
from tradecaptain.kernels.pricing.columns import ALL_GREEK_ROWS, GREEK_ROWS

LOADED = """
import sys
from tradecaptain.kernels.pricing import registry
print(sorted(name for name in sys.modules if name.startswith("tradecaptain.kernels.pricing.")))
registry.evaluate("black_scholes", registry.stack(1.0, 100.0, 105.0, 0.5, 0.2, 0.03, 0.01))
print(sorted(name for name in sys.modules if name.startswith("tradecaptain.kernels.pricing.")))
"""


@pytest.mark.parametrize("name", registry.FAMILIES)
def test_a_family_is_as_deep_as_its_kernels(name: str) -> None:
    family = registry.FAMILIES[name]
    kernels = family.kernels()
    if kernels.solve is not None:
        due = GREEK_ROWS
    elif kernels.greeks is None:
        due = 1
    else:
        due = GREEK_ROWS if kernels.higher_greeks is None else ALL_GREEK_ROWS
    assert (family.name, family.depth) == (name, due)
    assert family.kernels() is kernels


def test_rows_of_time_are_told_by_their_names() -> None:
    families = registry.FAMILIES
    assert families["black76"].time_rows == (3,)
    assert families["chooser"].time_rows == (3, 7, 9)
    assert families["levy_asian"].time_rows == (3,)


def test_one_family_loads_no_other() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], check=True, capture_output=True, text=True
    )
    before, after = done.stdout.splitlines()
    assert "lognormal_block" not in before
    assert "families.lognormal'" in after
    for other in ("lookback", "american", "accurate", "implied_block"):
        assert other not in after


def test_everything_can_be_loaded_beforehand() -> None:
    registry.load_all()
    assert np.isfinite(
        registry.evaluate(
            "quanto",
            registry.stack(1.0, 100.0, 105.0, 0.5, 0.2, 0.08, 0.04, 1.0, 0.05, 0.1, 0.3),
            1,
        ).outputs
    ).all()
