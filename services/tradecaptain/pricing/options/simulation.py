"""One option by simulation: payoffs along a path, their control variates, bounds of the work."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.pricing.v1 import option_families_pb2 as families
from tradecaptain.api.pricing.v1 import simulation_pb2
from tradecaptain.kernels.pricing import monte_carlo
from tradecaptain.kernels.pricing.contract import Contract
from tradecaptain.kernels.pricing.monte_carlo import Control, Market, Payoff, Plan, Problem
from tradecaptain.pricing.refusals import invalid, outside_domain
from tradecaptain.pricing.worker_pool import Steps

FloatArray = npt.NDArray[np.float64]

PRICES_MAX: Final = 1 << 32
"""Prices simulated at most: paths times fixings; a minute or so."""

_POINTS: Final = 4096
_REPLICATES: Final = 16
_STRIKELESS: Final = (
    simulation_pb2.PATH_PAYOFF_AVERAGE_STRIKE,
    simulation_pb2.PATH_PAYOFF_FLOATING_LOOKBACK,
)
_OUT: Final = (families.BARRIER_KIND_DOWN_OUT, families.BARRIER_KIND_UP_OUT)
_DOWN: Final = (families.BARRIER_KIND_DOWN_IN, families.BARRIER_KIND_DOWN_OUT)


def simulate_option(
    request: simulation_pb2.SimulateOptionRequest,
) -> Steps[simulation_pb2.SimulateOptionResponse]:
    """Answer a request for one option by simulation."""
    _check_terms(request)
    times = _fixing_times(request)
    plan = _plan(request.plan, times.size)
    market = _checked_market(request, times)
    problem = _problem(request, market, times)
    if request.plan.uncontrolled:
        problem = Problem(problem.market, problem.times, problem.payoff)
    found = yield from monte_carlo.simulation_steps(problem, plan)
    answer = simulation_pb2.SimulateOptionResponse(
        value=found.value, standard_error=found.standard_error, path_count=found.paths
    )
    if problem.control is not None:
        answer.control_weight = found.control_weight
    return answer


def _checked_market(request: simulation_pb2.SimulateOptionRequest, times: FloatArray) -> Market:
    market = Market(request.spot, request.volatility, request.interest_rate, request.dividend_yield)
    try:
        monte_carlo.check(market, times[times > 0.0])
    except ValueError as error:
        # It names the input first.
        name = str(error).partition(" ")[0]
        field = name if name in request.DESCRIPTOR.fields_by_name else "fixings"
        raise outside_domain(field, str(error)) from error
    return market


def _check_terms(request: simulation_pb2.SimulateOptionRequest) -> None:
    """Refuse terms that are missing or don't belong to the payoff."""
    name = simulation_pb2.PathPayoff.Name(request.payoff).removeprefix("PATH_PAYOFF_")
    has_strike = request.payoff not in _STRIKELESS
    if has_strike != request.HasField("strike"):
        raise invalid("strike", f"{name} takes {'a' if has_strike else 'no'} strike")
    has_barrier = request.payoff == simulation_pb2.PATH_PAYOFF_BARRIER
    if has_barrier != request.HasField("barrier"):
        raise invalid("barrier", f"{name} takes {'a' if has_barrier else 'no'} barrier")
    if has_barrier != bool(request.barrier_kind):
        raise invalid(
            "barrier_kind", f"{name} takes {'a' if has_barrier else 'no'} kind of barrier"
        )
    if request.HasField("rebate") and not has_barrier:
        raise invalid("rebate", f"{name} takes no rebate")


def _fixing_times(request: simulation_pb2.SimulateOptionRequest) -> FloatArray:
    if request.HasField("times"):
        times = np.array(request.times.years)
        before = -1.0
        for index, time in enumerate(times.tolist()):
            if time <= before:
                raise invalid(f"times.years[{index}]", "fixings must rise", observed=repr(time))
            before = time
        if not times[-1] > 0.0:
            raise invalid("times.years", "the last fixing must lie in the future")
        return times
    schedule = request.schedule
    has_first = schedule.HasField("first_years")
    if has_first != (schedule.count > 1):
        rule = "no first fixing" if has_first else "a first fixing"
        raise invalid("schedule.first_years", f"{schedule.count} fixings take {rule}")
    if schedule.count == 1:
        return np.array([schedule.last_years])
    if schedule.first_years >= schedule.last_years:
        raise invalid(
            "schedule.first_years",
            "the first fixing must come before the last",
            limit=repr(schedule.last_years),
            observed=repr(schedule.first_years),
        )
    return np.linspace(schedule.first_years, schedule.last_years, schedule.count)


def _plan(told: simulation_pb2.SimulationPlan, fixings: int) -> Plan:
    points, replicates = told.points or _POINTS, told.replicates or _REPLICATES
    if points & (points - 1):
        raise invalid("plan.points", "points must be a power of two", observed=points)
    if replicates < 2:
        raise invalid("plan.replicates", "an error takes two replicates", limit=2, observed=1)
    mirrored = not told.unmirrored
    prices = points * replicates * fixings * (2 if mirrored else 1)
    if prices > PRICES_MAX:
        raise invalid(
            "plan.points",
            "points, replicates and fixings multiply to too many prices",
            limit=PRICES_MAX,
            observed=prices,
        )
    return Plan(points, replicates, told.seed or 1, mirrored)


def _problem(
    request: simulation_pb2.SimulateOptionRequest, market: Market, times: FloatArray
) -> Problem:
    right = 1.0 if request.right == instruments_pb2.OPTION_RIGHT_CALL else -1.0
    spot, strike = request.spot, request.strike
    is_average_strike = request.payoff == simulation_pb2.PATH_PAYOFF_AVERAGE_STRIKE
    if is_average_strike or request.payoff == simulation_pb2.PATH_PAYOFF_AVERAGE_PRICE:
        contract = Contract(
            right,
            spot,
            strike,
            float(times[-1]),
            market.volatility,
            market.interest_rate,
            market.dividend_yield,
            is_american=False,
        )
        return monte_carlo.arithmetic_asian_problem(
            contract, times, is_average_strike=is_average_strike
        )
    # A fixing now is known: the spot.
    is_known = times[0] == 0.0
    payoff = _payoff(request, right)

    def with_known(spots: FloatArray) -> FloatArray:
        return payoff(np.column_stack([np.full(spots.shape[0], spot), spots]))

    control = _control(request, market, float(times[-1]), right)
    later = times[1:] if is_known else times
    return Problem(market, later, with_known if is_known else payoff, control)


def _payoff(request: simulation_pb2.SimulateOptionRequest, right: float) -> Payoff:
    """What is paid at the end, of the spots at all fixings."""
    strike = request.strike

    def vanilla(prices: FloatArray) -> FloatArray:
        return np.maximum(right * (prices - strike), 0.0)

    def floating(spots: FloatArray) -> FloatArray:
        extreme = spots.min(axis=1) if right > 0.0 else spots.max(axis=1)
        return np.asarray(right * (spots[:, -1] - extreme))

    def barrier(spots: FloatArray) -> FloatArray:
        level = request.barrier
        touched = (spots <= level if request.barrier_kind in _DOWN else spots >= level).any(axis=1)
        is_alive = ~touched if request.barrier_kind in _OUT else touched
        return np.where(is_alive, vanilla(spots[:, -1]), request.rebate)

    def extreme(spots: FloatArray) -> FloatArray:
        return vanilla(spots.max(axis=1) if right > 0.0 else spots.min(axis=1))

    payoffs: dict[int, Payoff] = {
        simulation_pb2.PATH_PAYOFF_EUROPEAN: lambda spots: vanilla(spots[:, -1]),
        simulation_pb2.PATH_PAYOFF_GEOMETRIC_AVERAGE_PRICE: lambda spots: vanilla(
            np.exp(np.log(spots).mean(axis=1))
        ),
        simulation_pb2.PATH_PAYOFF_FIXED_LOOKBACK: extreme,
        simulation_pb2.PATH_PAYOFF_FLOATING_LOOKBACK: floating,
        simulation_pb2.PATH_PAYOFF_BARRIER: barrier,
    }
    return payoffs[request.payoff]


def _control(
    request: simulation_pb2.SimulateOptionRequest, market: Market, time: float, right: float
) -> Control | None:
    """A payoff of the last price whose mean is known; none where it is the option itself."""
    if request.payoff == simulation_pb2.PATH_PAYOFF_EUROPEAN:
        return None
    forward = market.spot * math.exp((market.interest_rate - market.dividend_yield) * time)
    if request.payoff in _STRIKELESS:
        return Control(lambda spots: np.asarray(spots[:, -1]), forward)
    strike = request.strike
    deviation = market.volatility * math.sqrt(time)
    mean = monte_carlo.exchange_mean(right, forward, strike, deviation)
    return Control(lambda spots: np.maximum(right * (spots[:, -1] - strike), 0.0), mean)
