"""Answers of the bond service: bonds, curves, credit default swaps."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.api.pricing.v1 import bonds_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.kernels.pricing import bond as bond_kernels
from tradecaptain.kernels.pricing.bond import CONTINUOUS
from tradecaptain.pricing.fixed_income import credit
from tradecaptain.pricing.fixed_income.bonds import (
    Analytics,
    Bond,
    YieldConvention,
    from_clean_price,
    from_yield,
)
from tradecaptain.pricing.fixed_income.curve_analytics import (
    key_rate_durations,
    value_on_curve,
    z_spread,
)
from tradecaptain.pricing.fixed_income.curve_messages import curve_message, quotes_of
from tradecaptain.pricing.fixed_income.curves import bootstrap
from tradecaptain.pricing.fixed_income.dates import day_text, parse_day, refuse
from tradecaptain.pricing.fixed_income.messages import (
    bond_of,
    convention_of,
    curve_of,
    named,
    tenor_months,
)
from tradecaptain.pricing.fixed_income.schedules import credit_maturity
from tradecaptain.wire import reason as reasons

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_QUERY_FIELDS: Final[dict[str, str]] = {
    "settlement": "settlement_date",
    "price": "clean_price",
    "yield": "yield",
    "payments": "bond",
}
_COMPARISON_FIELDS: Final[dict[str, str]] = _QUERY_FIELDS | {
    "curve": "curve",
    "key_years": "key_years",
    "compounding": "compounding",
}


def analyse_one(request: bonds_pb2.AnalyseBondRequest) -> bonds_pb2.AnalyseBondResponse:
    """Answer a request for one bond."""
    return bonds_pb2.AnalyseBondResponse(analytics=_analyse(request.query, "query"))


def _analyse(query: bonds_pb2.BondQuery, field: str) -> bonds_pb2.BondAnalytics:
    forecast = None
    if query.HasField("forecast_curve"):
        forecast = curve_of(query.forecast_curve, f"{field}.forecast_curve")
    with named(field, {"forecast_curve": "forecast_curve"}):
        bond = bond_of(query.bond, f"{field}.bond", forecast)
    settlement = parse_day(query.settlement_date, f"{field}.settlement_date")
    convention = convention_of(query.convention, bond)
    with named(field, _QUERY_FIELDS):
        if query.WhichOneof("quote") == "clean_price":
            found = from_clean_price(bond, settlement, query.clean_price, convention)
        else:
            found = from_yield(bond, settlement, getattr(query, "yield"), convention)
    message = _analytics_message(found)
    if query.with_payments:
        message.payments.extend(_payment_messages(bond, settlement, convention))
    return message


def _analytics_message(found: Analytics) -> bonds_pb2.BondAnalytics:
    message = bonds_pb2.BondAnalytics(
        clean_price=found.clean,
        accrued_interest=found.accrued,
        dirty_price=found.dirty,
        macaulay_duration=found.macaulay,
        modified_duration=found.modified,
        convexity=found.convexity,
        dv01=found.dv01,
    )
    # A field named as a keyword of Python can't be reached by its name.
    setattr(message, "yield", found.yield_)
    return message


def _payment_messages(
    bond: Bond, settlement: int, convention: YieldConvention
) -> list[bonds_pb2.BondPayment]:
    payments = bond.payments(settlement, convention.day_counter)
    columns = (payments.days.tolist(), payments.amounts.tolist(), payments.times.tolist())
    return [
        bonds_pb2.BondPayment(date=day_text(day), amount=amount, time_years=time)
        for day, amount, time in zip(*columns, strict=True)
    ]


def analyse_all(request: bonds_pb2.AnalyseBondsRequest) -> bonds_pb2.AnalyseBondsResponse:
    """Answer a request for many bonds."""
    analytics = [
        _analyse(query, f"queries[{number}]") for number, query in enumerate(request.queries)
    ]
    return bonds_pb2.AnalyseBondsResponse(analytics=analytics)


def _unequal(field: str, found: int, due: int, of_what: str) -> TradeCaptainError:
    return TradeCaptainError(
        reasons.REASON_INVALID_REQUEST,
        f"{field} must have {due} elements, {of_what}, not {found}",
        field=field,
        limit=due,
        observed=found,
    )


def solve_yields(request: bonds_pb2.SolveYieldsRequest) -> bonds_pb2.SolveYieldsResponse:
    """Answer a request for yields of columns of payments."""
    prices = np.array(request.dirty_prices)
    counts = np.array(request.payment_counts, dtype=np.int64)
    times, amounts = np.array(request.time_years), np.array(request.amounts)
    if counts.size != prices.size:
        raise _unequal("payment_counts", counts.size, prices.size, "one a price")
    for field, column in (("time_years", times), ("amounts", amounts)):
        if column.size != counts.sum():
            raise _unequal(field, column.size, int(counts.sum()), "as payment_counts add up to")
    offsets = np.concatenate(([0], np.cumsum(counts)))
    scratch = bond_kernels.scratch_for(offsets)
    rates, statuses = np.empty(prices.size), np.empty(prices.size, dtype=np.int64)
    bond_kernels.continuous_yields(prices, offsets, times, amounts, scratch, rates, statuses)
    if statuses.any():
        raise _unsolved(statuses, prices, offsets, times, amounts)
    sums = np.empty((3, prices.size))
    bond_kernels.continuous_sums(rates, offsets, times, amounts, scratch, sums)
    return _yield_columns(rates, sums, request.frequency)


def _unsolved(
    statuses: IntArray,
    prices: FloatArray,
    offsets: IntArray,
    times: FloatArray,
    amounts: FloatArray,
) -> TradeCaptainError:
    """The refusal of columns of payments: what is wrong with the first bond without a yield."""
    wrong = np.flatnonzero(statuses)
    index = int(wrong[0])
    name, rule = bond_kernels.RULES[int(statuses[index])]
    message = f"{rule}; {wrong.size} of {prices.size} bonds have no yield"
    if name == "price":
        return refuse(f"dirty_prices[{index}]", message, repr(float(prices[index])))
    own = slice(int(offsets[index]), int(offsets[index + 1]))
    for field, column, limit in (
        ("time_years", times, bond_kernels.PAYMENT_YEARS_MAX),
        ("amounts", amounts, bond_kernels.PAYMENT_MAX),
    ):
        outside = np.flatnonzero(~((column[own] >= 0.0) & (column[own] < limit)))
        if outside.size:
            place = own.start + int(outside[0])
            return refuse(f"{field}[{place}]", message, repr(float(column[place])))
    return refuse(f"payment_counts[{index}]", message, str(own.stop - own.start))


def _yield_columns(
    rates: FloatArray, sums: FloatArray, frequency: int
) -> bonds_pb2.SolveYieldsResponse:
    """Continuous rates and their sums as yields of a frequency and derivatives by them."""
    macaulay = sums[1] / sums[0]
    yields, growth, period = rates, np.ones_like(rates), 0.0
    if frequency:
        period = 1.0 / frequency
        periods = np.full(rates.size, float(frequency))
        yields = bond_kernels.from_continuous(rates, bond_kernels.COMPOUNDED, periods)
        growth = 1.0 + yields * period
    convexity = (sums[2] / sums[0] + macaulay * period) / (growth * growth)
    return bonds_pb2.SolveYieldsResponse(
        yields=yields.tolist(),
        macaulay_durations=macaulay.tolist(),
        modified_durations=(macaulay / growth).tolist(),
        convexities=convexity.tolist(),
    )


def compare(
    request: bonds_pb2.CompareBondWithCurveRequest,
) -> bonds_pb2.CompareBondWithCurveResponse:
    """Answer a request for a bond on a curve."""
    curve = curve_of(request.curve, "curve")
    forecast = curve
    if request.HasField("forecast_curve"):
        forecast = curve_of(request.forecast_curve, "forecast_curve")
    bond = bond_of(request.bond, "bond", forecast)
    settlement = parse_day(request.settlement_date, "settlement_date")
    with named("", _COMPARISON_FIELDS):
        value = value_on_curve(bond, settlement, curve)
        answer = bonds_pb2.CompareBondWithCurveResponse(
            clean_price=value.clean, accrued_interest=value.accrued, dirty_price=value.dirty
        )
        continuous = 0.0
        if request.HasField("clean_price"):
            price = request.clean_price
            continuous = z_spread(bond, settlement, price, curve)
            answer.z_spread = continuous
            if request.compounding not in (0, CONTINUOUS):
                answer.z_spread = z_spread(
                    bond,
                    settlement,
                    price,
                    curve,
                    compounding=request.compounding,
                    frequency=request.frequency or 2,
                )
        if request.key_years:
            durations = key_rate_durations(
                bond, settlement, curve, request.key_years, spread=continuous
            )
            answer.key_rate_durations.extend(durations.tolist())
    return answer


def build_curve(request: bonds_pb2.BuildCurveRequest) -> bonds_pb2.BuildCurveResponse:
    """Answer a request for a curve."""
    reference = parse_day(request.reference_date, "reference_date")
    discounting = None
    if request.HasField("discounting_curve"):
        discounting = curve_of(request.discounting_curve, "discounting_curve")
    quotes = quotes_of(request, reference)
    curve = bootstrap(reference, quotes, request.interpolation or 1, discounting)
    return bonds_pb2.BuildCurveResponse(
        curve=curve_message(curve), zero_rates=curve.zero_rates.tolist()
    )


def price_credit(
    request: bonds_pb2.PriceCreditDefaultSwapRequest,
) -> bonds_pb2.PriceCreditDefaultSwapResponse:
    """Answer a request for a credit default swap."""
    trade = parse_day(request.trade_date, "trade_date")
    if bool(request.tenor) == bool(request.maturity_date):
        raise refuse("tenor", "give either a tenor or a maturity date", request.tenor)
    if request.tenor:
        maturity = credit_maturity(trade, tenor_months(request.tenor))
    else:
        maturity = parse_day(request.maturity_date, "maturity_date")
    curve = curve_of(request.curve, "curve")
    contract = credit.CreditContract(
        trade, maturity, request.coupon, request.recovery_rate, credit.weekends()
    )
    with named("", {"maturity": "maturity_date"}):
        if request.WhichOneof("quote") == "par_spread":
            found = credit.from_spread(contract, request.par_spread, curve)
        else:
            found = credit.from_upfront(contract, request.upfront, curve)
    return bonds_pb2.PriceCreditDefaultSwapResponse(
        maturity_date=day_text(maturity),
        upfront=found.upfront,
        accrued_premium=found.accrued,
        par_spread=found.par_spread,
        hazard_rate=found.hazard_rate,
        risky_annuity=found.risky_annuity,
        protection_value=found.protection,
        spread_dv01=found.spread_dv01,
    )
