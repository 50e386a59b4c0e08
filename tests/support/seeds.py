"""Runs seeds of the simulation, and sees to it that they had something to find."""

from __future__ import annotations

from tradecaptain.simulation.run import Outcome, run_seeds

ORDERS_LEAST, TRADES_LEAST = 100, 40
"""Orders and trades of a seed, on average, without which it would say little."""


def check_seeds(seeds: range) -> None:
    """Fail with the seeds that failed, or if hardly anything happened in any of them."""
    outcomes: list[Outcome] = []
    failures, _ = run_seeds(seeds, on_outcome=lambda seed, outcome: outcomes.append(outcome))
    assert failures == []
    assert sum(outcome.orders for outcome in outcomes) > ORDERS_LEAST * len(seeds)
    assert sum(outcome.trades for outcome in outcomes) > TRADES_LEAST * len(seeds)
