"""The closed-form approximations of American options that are still quoted.

They miss the value by up to a few parts in a thousand of the strike; ``american`` is both faster in
bulk and exact. They are here to reproduce what others print, by the names of their authors. Each
takes a ``Contract`` with rates from which an option is exercised on one side only, and gives the
European value where early exercise never pays.

Sources: Barone-Adesi and Whaley, Efficient Analytic Approximation of American Option Values (1987);
Bjerksund and Stensland, Closed-Form Approximation of American Options (1993); Ju and Zhong, An
Approximate Formula for Pricing American Options (1999); Li, Analytical Approximations for the
Critical Stock Prices of American Options (2010).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final, NamedTuple

from tradecaptain.kernels.pricing import american
from tradecaptain.kernels.pricing.american_scheme import Scheme
from tradecaptain.kernels.pricing.contract import Contract, contract_block, contract_status
from tradecaptain.kernels.pricing.status import OK, RULES

ROUNDS_MAX: Final = 100
_RATE_TIME_MIN: Final = 1e-8
# Beyond this the tail of the normal distribution is taken from its continued fraction.
_TAIL_START: Final = 10.0
_QUADRATIC_PLUS: Final = Scheme(1, 0, 7, 256, start_steps=12)


def _checked(contract: Contract) -> Contract:
    """The contract; raises ``ValueError`` naming the rule that it breaks."""
    status = contract_status(contract)
    if status != OK:
        raise ValueError(RULES[status][1])
    if contract.time_years <= 0.0 or contract.volatility <= 0.0:
        raise ValueError("an approximation needs some time and volatility")
    return contract


def _normal(deviate: float) -> float:
    return 0.5 * math.erfc(-deviate / math.sqrt(2.0))


def _log_normal(deviate: float) -> float:
    """Log of the normal distribution, also far out in its lower tail."""
    if deviate > -_TAIL_START:
        return math.log(_normal(deviate))
    distance, fraction = -deviate, 0.0
    for term in range(60, 0, -1):
        fraction = term / (distance + fraction)
    return -0.5 * deviate * deviate - math.log(math.sqrt(2.0 * math.pi) * (distance + fraction))


def _deviates(contract: Contract, spot: float) -> tuple[float, float]:
    spread = contract.volatility * math.sqrt(contract.time_years)
    carry = contract.interest_rate - contract.dividend_yield
    d1 = (math.log(spot / contract.strike) + carry * contract.time_years) / spread + 0.5 * spread
    return d1, d1 - spread


def _european(contract: Contract, spot: float) -> float:
    d1, d2 = _deviates(contract, spot)
    right, time = contract.right, contract.time_years
    return right * (
        spot * math.exp(-contract.dividend_yield * time) * _normal(right * d1)
        - contract.strike * math.exp(-contract.interest_rate * time) * _normal(right * d2)
    )


def _is_never_exercised(contract: Contract) -> bool:
    rate, dividend_yield = contract.interest_rate, contract.dividend_yield
    if contract.right > 0.0:
        rate, dividend_yield = dividend_yield, rate
    if rate < 0.0 and dividend_yield < rate:
        raise ValueError("with two exercise boundaries there is no such approximation")
    return rate <= 0.0 and dividend_yield >= rate


class _Quadratic(NamedTuple):
    """What the quadratic approximations share: exponent, critical spot, its premium."""

    exponent: float
    discriminant_root: float
    critical: float
    premium: float
    earned: float  # 1 - e^(-r T)


def _quadratic(contract: Contract) -> _Quadratic:
    """Critical spot at which the approximate value meets exercise with equal slope."""
    right, time, strike = contract.right, contract.time_years, contract.strike
    variance = contract.volatility**2
    rate = contract.interest_rate
    if abs(rate) * time < _RATE_TIME_MIN:
        rate = _RATE_TIME_MIN / time
        contract = replace(contract, interest_rate=rate)
    earned = -math.expm1(-rate * time)
    shifted = 2.0 * (rate - contract.dividend_yield) / variance - 1.0
    root = math.sqrt(shifted * shifted + 8.0 * rate / (variance * earned))
    exponent = 0.5 * (-shifted + right * root)
    carried = math.exp(-contract.dividend_yield * time)
    spread = contract.volatility * math.sqrt(time)

    def excess(spot: float) -> tuple[float, float]:
        d1, _ = _deviates(contract, spot)
        tail = carried * _normal(right * d1)
        density = carried * math.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi)
        value = _european(contract, spot) + right * (1.0 - tail) * spot / exponent
        slope = right * tail * (1.0 - 1.0 / exponent)
        slope += right / exponent - density / (spread * exponent)
        return value - right * (spot - strike), slope - right

    # The excess falls towards exercise; it has one root between the strike and far away.
    low, high = (strike, strike * 2.0) if right > 0.0 else (strike * 0.5, strike)
    for _ in range(ROUNDS_MAX):
        if right > 0.0 and excess(high)[0] > 0.0:
            low, high = high, 2.0 * high
        elif right < 0.0 and excess(low)[0] > 0.0:
            low, high = 0.5 * low, low
        else:
            break
    spot = 0.5 * (low + high)
    for _ in range(ROUNDS_MAX):
        value, slope = excess(spot)
        if (value > 0.0) == (right > 0.0):
            low = spot
        else:
            high = spot
        moved = spot - value / slope if slope != 0.0 else math.nan
        moved = moved if low < moved < high else 0.5 * (low + high)
        if abs(moved - spot) <= 1e-15 * spot:
            break
        spot = moved
    premium = right * (spot - strike) - _european(contract, spot)
    return _Quadratic(exponent, root, spot, premium, earned)


def barone_adesi_whaley(contract: Contract) -> float:
    """Quadratic approximation of Barone-Adesi and Whaley; raises ``ValueError``, see above."""
    contract = _checked(contract)
    if _is_never_exercised(contract):
        return _european(contract, contract.spot)
    quadratic, right, spot = _quadratic(contract), contract.right, contract.spot
    if right * (spot - quadratic.critical) >= 0.0:
        return right * (spot - contract.strike)
    power = quadratic.exponent * math.log(spot / quadratic.critical)
    return _european(contract, spot) + quadratic.premium * math.exp(power)


def ju_zhong(contract: Contract) -> float:
    """Modified quadratic approximation of Ju and Zhong; raises ``ValueError``, see above."""
    contract = _checked(contract)
    if _is_never_exercised(contract):
        return _european(contract, contract.spot)
    quadratic, right, spot = _quadratic(contract), contract.right, contract.spot
    if right * (spot - quadratic.critical) >= 0.0:
        return right * (spot - contract.strike)
    time, critical, earned = contract.time_years, quadratic.critical, quadratic.earned
    rate = max(contract.interest_rate, _RATE_TIME_MIN / time)
    alpha = 2.0 * rate / contract.volatility**2
    # 2 exponent + beta - 1, whose sign is that of the right.
    span = right * quadratic.discriminant_root
    exponent_slope = -right * alpha / (earned**2 * quadratic.discriminant_root)
    d1, d2 = _deviates(contract, critical)
    density = math.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi)
    grown = math.exp((rate - contract.dividend_yield) * time)
    by_earned = (
        critical * density * contract.volatility * grown / (2.0 * rate * math.sqrt(time))
        - right * contract.dividend_yield * critical * _normal(right * d1) * grown / rate
        + right * contract.strike * _normal(right * d2)
    )
    left = 1.0 - earned
    bend = left * alpha * exponent_slope / (2.0 * span)
    slope = -left * alpha / span
    slope *= by_earned / quadratic.premium + 1.0 / earned + exponent_slope / span
    distance = math.log(spot / critical)
    correction = bend * distance * distance + slope * distance
    power = math.exp(quadratic.exponent * distance)
    return _european(contract, spot) + quadratic.premium * power / (1.0 - correction)


def _phi(
    contract: Contract, gamma: float, threshold: float, trigger: float, log_scale: float
) -> float:
    """Value of ``S ** gamma`` if S ends below a threshold and never met the trigger, scaled."""
    time, carry = contract.time_years, contract.interest_rate - contract.dividend_yield
    variance = contract.volatility**2
    spread = contract.volatility * math.sqrt(time)
    growth = -contract.interest_rate + gamma * carry + 0.5 * gamma * (gamma - 1.0) * variance
    log_spot, log_trigger = math.log(contract.spot), math.log(trigger)
    deviate = log_spot - math.log(threshold) + (carry + (gamma - 0.5) * variance) * time
    deviate = -deviate / spread
    kappa = 2.0 * carry / variance + 2.0 * gamma - 1.0
    power = log_scale + growth * time + gamma * log_spot
    far = deviate - 2.0 * (log_trigger - log_spot) / spread
    direct = math.exp(power + _log_normal(deviate))
    image = math.exp(power + kappa * (log_trigger - log_spot) + _log_normal(far))
    return direct - image


def bjerksund_stensland(contract: Contract) -> float:
    """Flat-boundary approximation of 1993, a lower bound; raises ``ValueError``, see above."""
    contract = _checked(contract)
    if _is_never_exercised(contract):
        return _european(contract, contract.spot)
    if contract.right < 0.0:
        mirrored = replace(
            contract,
            right=1.0,
            spot=contract.strike,
            strike=contract.spot,
            interest_rate=contract.dividend_yield,
            dividend_yield=contract.interest_rate,
        )
        return bjerksund_stensland(mirrored)
    rate, dividend_yield = contract.interest_rate, contract.dividend_yield
    spot, strike, time = contract.spot, contract.strike, contract.time_years
    variance, carry = contract.volatility**2, rate - dividend_yield
    european = _european(contract, spot)
    reduced = carry / variance - 0.5
    beta = -reduced + math.sqrt(max(reduced * reduced + 2.0 * rate / variance, 0.0))
    if beta <= 1.0:
        return european
    perpetual = beta / (beta - 1.0) * strike
    nearest = max(strike, rate / dividend_yield * strike)
    spread = contract.volatility * math.sqrt(time)
    gap = perpetual - nearest
    weight = -math.expm1(-(carry * time + 2.0 * spread) * nearest / gap) if gap > 0.0 else 1.0
    trigger = nearest + gap * weight
    if spot >= trigger:
        return spot - strike
    if trigger <= strike:
        return european
    log_alpha = math.log(trigger - strike) - beta * math.log(trigger)
    value = (
        math.exp(log_alpha + beta * math.log(spot))
        - _phi(contract, beta, trigger, trigger, log_alpha)
        + _phi(contract, 1.0, trigger, trigger, 0.0)
        - _phi(contract, 1.0, strike, trigger, 0.0)
        - strike * _phi(contract, 0.0, trigger, trigger, 0.0)
        + strike * _phi(contract, 0.0, strike, trigger, 0.0)
    )
    return max(value, european, spot - strike)


def quadratic_plus(contract: Contract) -> float:
    """Value by the integral over Li's QD+ boundary at eight points; NaN outside the domain."""
    return float(american.price(contract_block(contract), scheme=_QUADRATIC_PLUS).values[0, 0])
