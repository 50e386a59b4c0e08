"""Which faults a seed brings, and how often."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad it gets with one seed; probabilities are per step."""

    step_ns_max: int
    act_probability: float
    turn_probability: float
    sync_probability: float
    snapshot_probability: float
    delay_probability: float
    frames_per_crank_max: int | None
    loss_probability: float
    hold_probability: float
    kill_probability: float
    crash_in_turn_share: float
    kill_all_probability: float
    flip_probability: float
    disk_probability: float
    jump_probability: float
    power_probability: float
    driver_probability: float

    @classmethod
    def of(cls, source: random.Random) -> Weather:
        """Weather of a seed: each kind of fault is absent, rare or frequent."""

        def chance(*choices: float) -> float:
            return source.choice(choices)

        return cls(
            step_ns_max=source.choice([100_000, 300_000, 1_000_000]),
            act_probability=chance(0.1, 0.3, 0.6),
            turn_probability=chance(1.0, 0.9, 0.6),
            sync_probability=chance(1.0, 0.5, 0.1),
            snapshot_probability=chance(0.0, 0.2, 0.5),
            delay_probability=chance(0.0, 0.2, 0.5),
            frames_per_crank_max=source.choice([None, None, 2, 8]),
            loss_probability=chance(0.0, 0.0, 0.01, 0.1),
            hold_probability=chance(0.0, 0.0, 0.02),
            kill_probability=chance(0.0, 0.01, 0.03),
            crash_in_turn_share=chance(0.0, 0.5, 0.9),
            kill_all_probability=chance(0.0, 0.0, 0.01),
            flip_probability=chance(0.0, 0.3),
            disk_probability=chance(0.0, 0.0, 0.03),
            jump_probability=chance(0.0, 0.0, 0.02),
            power_probability=chance(0.0, 0.0, 0.0, 0.01),
            driver_probability=chance(0.0, 0.0, 0.02),
        )
