"""Asian options: exact values, and the approximations that were published as such."""

from __future__ import annotations

from typing import Final

from tradecaptain.cli.verify.option_families.kernel import spot_inputs, value
from tradecaptain.cli.verify_case import (
    Case,
    Judge,
    MalformedError,
    NotApplicableError,
    expect,
)

DAYS_A_YEAR: Final = 360.0
# What each family was published with, where neither case nor family repeats it.
PRICE_TOLERANCE: Final = 0.002
STRIKE_TOLERANCE: Final = 0.02
TURNBULL_WAKEMAN_TOLERANCE: Final = 0.0025
LEVY_TOLERANCE: Final = 0.0001
# The option of Levy's table (1997) of simulated prices, and those entries that are off by more than
# the tolerance which the table is published with: time to the first fixing and count of fixings,
# the printed value, the exact one. Which these are was found once, by simulations a hundred times
# finer and by an exact grid, which agree with each other; no answer that is judged has a say in it.
SIMULATED_TERMS: Final = {
    "type": "put", "spot": 90.0, "strike": 87.0, "q": 0.06, "r": 0.025, "vol": 0.13,
    "length": 11 / 12,
}  # fmt: skip
SIMULATED: Final[dict[tuple[float, int], tuple[float, float]]] = {
    (0.0, 8): (1.66970673, 1.671856),
    (0.0, 26): (1.7255070456, 1.728316),
    (1 / 12, 2): (1.8496053697, 1.847546),
    (1 / 12, 8): (2.0852138818, 2.087618),
    (1 / 12, 26): (2.1346526695, 2.137554),
    (0.25, 2): (2.63315092584, 2.643364),
    (0.25, 4): (2.76723962361, 2.776534),
    (0.25, 8): (2.83124836881, 2.838250),
    (0.25, 12): (2.84290301412, 2.858338),
    (0.25, 26): (2.88179560417, 2.879735),
    (0.25, 52): (2.88447044543, 2.888835),
    (0.25, 100): (2.89985329603, 2.893189),
    (0.25, 250): (2.90047296063, 2.896014),
}
# By how much the volatility falls a fixing earlier, in the published table.
SLOPES: Final = {
    "flat": 0.0,
    "up": 0.005,
    "down": -0.005,
    "increasing": 0.005,
    "decreasing": -0.005,
}


def _discrete_arithmetic(*, is_strike: bool) -> Judge:
    """Equally spaced fixings from ``first`` on over ``length`` years, the last at expiry."""

    def judge(case: Case) -> None:
        # How the source simulated it.
        case.ignore("control_variate")
        first, length = case.numbers("first", "length")
        market = (first + length, *case.numbers("vol", "r", "q"))
        inputs = (case.right(), *case.numbers("spot", "strike"), *market)
        found = value("arithmetic_asian", *inputs, first, case.integer("fixings"), float(is_strike))
        if not is_strike:
            _pass_over_simulated(case, first, found)
        case.expect(found, STRIKE_TOLERANCE if is_strike else PRICE_TOLERANCE)

    return judge


def _pass_over_simulated(case: Case, first: float, found: float) -> None:
    """Grade nothing by an entry that is farther from the exact value than the file tolerates.

    The exact value is then what an answer is held against: a wrong one fails all the same.
    """
    entry = SIMULATED.get((first, case.integer("fixings")))
    if entry is None or any(case.raw(name) != term for name, term in SIMULATED_TERMS.items()):
        return
    printed, exact = entry
    tolerance = case.tolerance(PRICE_TOLERANCE)
    if case.number("value") != printed or abs(exact - printed) <= tolerance:
        return
    expect(found, exact, tolerance)
    raise NotApplicableError("simulated for the published table, and known to be off")


def _turnbull_wakeman(case: Case) -> None:
    """Two moments; ``b`` is the cost of carry, the last fixing falls on expiry."""
    slope = case.raw("slope")
    if isinstance(slope, str):
        if slope not in SLOPES:
            raise NotApplicableError(f"slope {slope!r} is none of {', '.join(SLOPES)}")
        fall = SLOPES[slope]
    else:
        fall = case.number("slope")
    rate = case.number("r")
    market = (*case.numbers("expiry", "vol"), rate, rate - case.number("b"))
    inputs = (case.right(), *case.numbers("spot", "strike"), *market)
    fixings = (case.number("first"), case.integer("fixings"))
    case.expect(
        value("turnbull_wakeman_asian", *inputs, *fixings, fall), TURNBULL_WAKEMAN_TOLERANCE
    )


def _levy(case: Case) -> None:
    """Two moments of a continuous average, of which days have elapsed."""
    elapsed = case.number("elapsed_days") / DAYS_A_YEAR
    time = case.number("length_days") / DAYS_A_YEAR - elapsed
    inputs = (*case.numbers("spot", "strike"), time, *case.numbers("vol", "r", "q"))
    average = case.number("current_average")
    case.expect(value("levy_asian", case.right(), *inputs, average, elapsed), LEVY_TOLERANCE)


def _vecer(case: Case) -> None:
    """Calls on a continuous average without yield."""
    right = case.right() if "type" in case else 1.0
    inputs = (*case.numbers("spot", "strike", "length_years", "vol", "r"), case.number("q", 0.0))
    case.expect(value("arithmetic_asian", right, *inputs, 0.0, 0.0, 0.0))


def _geometric(case: Case) -> None:
    """Continuous, or fixings at the ends of equal intervals; average price or average strike."""
    style = case.text("style").lower()
    is_strike = "strike" in style
    inputs = spot_inputs(case)
    time = inputs[3]
    if "cont" in style or ("disc" not in style and "fixings" not in case):
        case.ignore("fixings")
        case.expect(value("geometric_asian", *inputs, 0.0, 0.0, float(is_strike)))
        return
    count = case.integer("fixings")
    if count < 1:
        raise MalformedError(f"field fixings must be at least 1, not {count}")
    first = time / count
    found = [value("geometric_asian", *inputs, first, count, float(is_strike))]
    if is_strike and count > 1:
        # The published average strike counts all times from the first fixing on.
        shifted = (*inputs[:3], time - first, *inputs[4:])
        found.append(value("geometric_asian", *shifted, 0.0, count, 1.0))
    case.expect_one(found)


FAMILIES: Final[dict[str, Judge]] = {
    "asian_discrete_arithmetic_price": _discrete_arithmetic(is_strike=False),
    "asian_discrete_arithmetic_strike": _discrete_arithmetic(is_strike=True),
    "asian_turnbull_wakeman": _turnbull_wakeman,
    "asian_levy_continuous": _levy,
    "asian_vecer": _vecer,
    "asian_geometric": _geometric,
}
