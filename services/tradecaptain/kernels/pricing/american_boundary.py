"""Early-exercise boundary of American puts, many options at a time: one option a vector lane.

In units of strike and expiry an option's boundary depends on three numbers: rate times time,
yield times time, and the deviation ``volatility * sqrt(time)``. Here every time runs from 0 to 1
and counts to expiry, ``X = min(1, rate / yield)`` is the boundary just before expiry, and a
boundary is kept as ``h = log(B / X) ** 2`` at the nodes of ``american_scheme``.

The start at each node solves the QD+ equation of Li; then one Jacobi-Newton step and plain steps of
a fixed-point system of Andersen, Lake and Offengenden go on:

    B = K e^{-(r - q) t} N(t, B) / D(t, B)

where numerator and denominator are taken times ``e^{-r t}`` and ``e^{-q t}``. System A comes from
the smooth fit of gamma, system B from that of delta. Valid for one boundary only: a rate above
zero, or a rate of zero and a yield below it.

Sources: Andersen, Lake and Offengenden, High Performance American Option Pricing (2015); Li,
Analytical Approximations for the Critical Stock Prices of American Options (2010).
"""

from __future__ import annotations

import math
from typing import Any, Final

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.kernels.pricing.elementary import (
    INVERSE_ROOT_TWO_PI,
    NORMAL_TAIL_END,
    exponential,
    log_ratio,
    mills_parts,
    mills_ratio,
)

# Options that are worked on together; what they need stays in the first-level cache.
LANES: Final = 32

# Rows of a block's work, each of ``LANES`` numbers; the nodes' rows of h and next h follow.
RATE: Final = 0
YIELD: Final = 1
DEVIATION: Final = 2
INVERSE_DEVIATION: Final = 3
CARRY: Final = 4
LOG_LIMIT: Final = 5
LIMIT: Final = 6
PLACE: Final = 7  # h at an integral point
NUMERATOR: Final = 8
DENOMINATOR: Final = 9
ROOT: Final = 10  # log(X / B) at the node
BOUNDARY: Final = 11
NODE_ROWS: Final = 12

# A boundary below this share of the strike is as good as none.
BOUNDARY_MIN: Final = 1e-12
FIRST_START_STEPS: Final = 8
RATE_TIME_MIN: Final = 1e-7
DEVIATE_MAX: Final = 37.0


@inline_always
def clamped(deviate: float) -> float:
    """A deviate whose density stays a normal number."""
    return min(max(deviate, -DEVIATE_MAX), DEVIATE_MAX)


@inline_always
def lower_tail(deviate: float, gauss: float) -> float:
    """N(deviate), given ``exp(-deviate ** 2 / 2)``."""
    tail = mills_ratio(min(abs(deviate), NORMAL_TAIL_END)) * gauss
    return tail if deviate < 0.0 else 1.0 - tail


@inline_always
def lower_tails(
    first: float, first_gauss: float, second: float, second_gauss: float
) -> tuple[float, float]:
    """N of two deviates, which share one division."""
    first_top, first_bottom = mills_parts(min(abs(first), NORMAL_TAIL_END))
    second_top, second_bottom = mills_parts(min(abs(second), NORMAL_TAIL_END))
    inverse = 1.0 / (first_bottom * second_bottom)
    first_tail = first_gauss * first_top * second_bottom * inverse
    second_tail = second_gauss * second_top * first_bottom * inverse
    return (
        first_tail if first < 0.0 else 1.0 - first_tail,
        second_tail if second < 0.0 else 1.0 - second_tail,
    )


@inline_always
def quadratic_plus_step(
    boundary: float, rate: float, dividend_yield: float, deviation: float, time: float
) -> float:
    """One Halley step towards the QD+ boundary at a time to expiry, in units of the strike."""
    variance = deviation * deviation
    root_time = math.sqrt(time)
    spread = deviation * root_time
    rate_discount = exponential(-rate * time)
    yield_discount = exponential(-dividend_yield * time)
    small = rate * time < RATE_TIME_MIN
    rate_ratio = (
        1.0 / time + 0.5 * rate if small else rate / (1.0 - rate_discount if not small else 1.0)
    )
    omega = 2.0 * (rate - dividend_yield) / variance
    root = math.sqrt((omega - 1.0) * (omega - 1.0) + 8.0 * rate_ratio / variance)
    scaled = rate_ratio / (variance * root)
    lam = -0.5 * (omega - 1.0 + root)
    beta = rate_discount * (4.0 * scaled * scaled / root - 2.0 * scaled) - lam
    theta_factor = -2.0 / (variance * root)
    carry = rate - dividend_yield

    upper = (log_ratio(boundary, 1.0) + carry * time) / spread + 0.5 * spread
    lower = upper - spread
    upper_capped, lower_capped = clamped(upper), clamped(lower)
    upper_gauss = exponential(-0.5 * upper_capped * upper_capped)
    lower_gauss = exponential(-0.5 * lower_capped * lower_capped)
    upper_tail, lower_tail_value = lower_tails(-upper, upper_gauss, -lower, lower_gauss)
    density = INVERSE_ROOT_TWO_PI * upper_gauss
    carried_tail = yield_discount * upper_tail
    carried_density = yield_discount * density
    european = rate_discount * lower_tail_value - boundary * carried_tail
    theta = (
        rate * rate_discount * lower_tail_value
        - dividend_yield * boundary * carried_tail
        - 0.5 * variance * boundary * carried_density / spread
    )
    charm = -(
        carried_density * (carry / spread - 0.5 * lower / time) + dividend_yield * carried_tail
    )
    gamma = carried_density / (spread * boundary)
    color = gamma * (dividend_yield + carry * upper / spread + 0.5 * (1.0 - upper * lower) / time)
    value = (1.0 - carried_tail) * boundary - beta * (1.0 - boundary - european)
    value += theta_factor * theta
    slope = (1.0 + beta) * (1.0 - carried_tail) + carried_density / spread + theta_factor * charm
    bend = gamma * (1.0 - upper / spread) + beta * gamma + theta_factor * color
    step = value / slope
    curvature = 1.0 - 0.5 * step * bend / slope
    return boundary - step / curvature


@inline
def start_nodes(work: Any, width: int, nodes: Any, start_steps: int) -> None:
    """Fill the nodes' rows of h by QD+, each node starting where the one before it ended."""
    for lane in range(width):
        work[BOUNDARY, lane] = work[LIMIT, lane]
    for node in range(nodes.shape[0]):
        time = nodes[node] * nodes[node]
        # The first node starts far away; it may need all the steps that Halley's method takes.
        for _ in range(max(start_steps, FIRST_START_STEPS) if node == 0 else start_steps):
            for lane in range(width):
                moved = quadratic_plus_step(
                    work[BOUNDARY, lane],
                    work[RATE, lane],
                    work[YIELD, lane],
                    work[DEVIATION, lane],
                    time,
                )
                work[BOUNDARY, lane] = min(max(moved, BOUNDARY_MIN), work[LIMIT, lane])
        for lane in range(width):
            root = log_ratio(work[LIMIT, lane], work[BOUNDARY, lane])
            work[NODE_ROWS + node, lane] = root * root


@inline
def interpolate(work: Any, width: int, weights: Any) -> None:
    """Row ``PLACE`` from the nodes' rows; ``weights`` has one number for each node."""
    for lane in range(width):
        work[PLACE, lane] = weights[0] * work[NODE_ROWS, lane]
    count = weights.shape[0]
    for node in range(1, count - 1, 2):
        first, second = weights[node], weights[node + 1]
        for lane in range(width):
            work[PLACE, lane] += (
                first * work[NODE_ROWS + node, lane] + second * work[NODE_ROWS + node + 1, lane]
            )
    if count % 2 == 0:
        last = weights[count - 1]
        for lane in range(width):
            work[PLACE, lane] += last * work[NODE_ROWS + count - 1, lane]


@inline
def add_point_a(work: Any, width: int, root_time: float, point: Any) -> None:
    """Add one integral point of system A; ``point`` is a column of a scheme's ``integral``."""
    fraction, root_fraction, weight, root_weight = point
    elapsed = root_time * root_time * fraction
    scale = 1.0 / (root_time * root_fraction)
    for lane in range(width):
        root = math.sqrt(max(work[PLACE, lane], 0.0))
        log_ratio_here = root - work[ROOT, lane]
        inverse_spread = work[INVERSE_DEVIATION, lane] * scale
        spread = work[DEVIATION, lane] * (root_time * root_fraction)
        upper = (log_ratio_here + work[CARRY, lane] * elapsed) * inverse_spread + 0.5 * spread
        capped = clamped(upper)
        gauss = exponential(-0.5 * capped * capped)
        discount = exponential(-work[YIELD, lane] * elapsed)
        density = discount * gauss * (INVERSE_ROOT_TWO_PI * root_weight)
        work[NUMERATOR, lane] += density * exponential(log_ratio_here)
        work[DENOMINATOR, lane] += (
            density
            + weight * root_time * discount * lower_tail(upper, gauss) * work[DEVIATION, lane]
        )


@inline
def add_point_b(work: Any, width: int, root_time: float, point: Any) -> None:
    """Add one integral point of system B."""
    fraction, root_fraction, weight, _ = point
    elapsed = root_time * root_time * fraction
    scale = 1.0 / (root_time * root_fraction)
    for lane in range(width):
        root = math.sqrt(max(work[PLACE, lane], 0.0))
        log_ratio_here = root - work[ROOT, lane]
        spread = work[DEVIATION, lane] * (root_time * root_fraction)
        middle = (log_ratio_here + work[CARRY, lane] * elapsed) * (
            work[INVERSE_DEVIATION, lane] * scale
        )
        upper, lower = clamped(middle + 0.5 * spread), clamped(middle - 0.5 * spread)
        upper_gauss = exponential(-0.5 * upper * upper)
        lower_gauss = exponential(-0.5 * lower * lower)
        upper_tail, lower_tail_value = lower_tails(upper, upper_gauss, lower, lower_gauss)
        work[NUMERATOR, lane] += (
            weight * exponential(-work[RATE, lane] * elapsed) * lower_tail_value
        )
        work[DENOMINATOR, lane] += weight * exponential(-work[YIELD, lane] * elapsed) * upper_tail


@inline
def finish_node(
    work: Any, width: int, root_time: float, target: int, is_newton: int, is_system_b: int
) -> None:
    """Next h of a node into row ``target`` from its finished integrals."""
    time = root_time * root_time
    for lane in range(width):
        rate, dividend_yield = work[RATE, lane], work[YIELD, lane]
        root = work[ROOT, lane]
        log_boundary = work[LOG_LIMIT, lane] - root
        boundary = exponential(log_boundary)
        inverse_spread = work[INVERSE_DEVIATION, lane] / root_time
        spread = work[DEVIATION, lane] * root_time
        middle = (log_boundary + work[CARRY, lane] * time) * inverse_spread
        upper, lower = clamped(middle + 0.5 * spread), clamped(middle - 0.5 * spread)
        upper_gauss = exponential(-0.5 * upper * upper)
        lower_gauss = exponential(-0.5 * lower * lower)
        upper_tail, lower_tail_value = lower_tails(upper, upper_gauss, lower, lower_gauss)
        rate_discount = exponential(-rate * time)
        yield_discount = exponential(-dividend_yield * time)
        lower_density = rate_discount * INVERSE_ROOT_TWO_PI * lower_gauss * inverse_spread
        upper_density = yield_discount * INVERSE_ROOT_TWO_PI * upper_gauss * inverse_spread
        if is_system_b != 0:
            numerator = rate_discount * lower_tail_value + rate * time * work[NUMERATOR, lane]
            denominator = (
                yield_discount * upper_tail + dividend_yield * time * work[DENOMINATOR, lane]
            )
            numerator_slope = lower_density / boundary
            denominator_slope = upper_density / boundary
        else:
            factor = root_time * work[INVERSE_DEVIATION, lane]
            numerator = lower_density + rate * factor * work[NUMERATOR, lane]
            denominator = (
                upper_density
                + yield_discount * upper_tail
                + dividend_yield * factor * work[DENOMINATOR, lane]
            )
            numerator_slope = -lower_density * lower * inverse_spread / boundary
            denominator_slope = upper_density * (1.0 - upper * inverse_spread) / boundary
        mapped = numerator / denominator
        slope = (numerator_slope - denominator_slope * mapped) / denominator
        newton = boundary - (mapped - boundary) / (slope - 1.0)
        moved = newton if is_newton != 0 else mapped
        moved = max(moved, BOUNDARY_MIN)
        moved_root = log_ratio(work[LIMIT, lane], moved)
        work[target, lane] = moved_root * moved_root


@inline
def iterate(
    work: Any, width: int, nodes: Any, integral: Any, rows: Any, is_newton: int, is_system_b: int
) -> None:
    """One step of the fixed-point system at all nodes at once."""
    count = nodes.shape[0]
    for node in range(count):
        for lane in range(width):
            work[ROOT, lane] = math.sqrt(max(work[NODE_ROWS + node, lane], 0.0))
            work[NUMERATOR, lane] = 0.0
            work[DENOMINATOR, lane] = 0.0
        for index in range(integral.shape[1]):
            point = (integral[0, index], integral[1, index], integral[2, index], integral[3, index])
            interpolate(work, width, rows[node, index])
            if is_system_b != 0:
                add_point_b(work, width, nodes[node], point)
            else:
                add_point_a(work, width, nodes[node], point)
        target = NODE_ROWS + count + node
        finish_node(work, width, nodes[node], target, is_newton, is_system_b)
    for node in range(count):
        for lane in range(width):
            work[NODE_ROWS + node, lane] = work[NODE_ROWS + count + node, lane]
