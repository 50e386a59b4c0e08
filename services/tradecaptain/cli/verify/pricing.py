"""``tradecaptain verify pricing FILE…``: option values, greeks and volatilities as published.

A file is one JSON object of families; each has ``cases`` and says how close an answer must come, in
a case's ``tol`` or for the family as a whole. Families without a judge here count as not
applicable, by name.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.cli.verify_result import Failure, VerifyResult, unreadable
from tradecaptain.kernels.pricing import columns, lattice, registry, status
from tradecaptain.wire import reason as reasons

KIND = "pricing"
HELP = "European, digital, barrier and tree prices, greeks and implied volatilities (JSON)."

Case = Mapping[str, Any]
Judge = Callable[[Case], None]

GREEK_ROWS: Final = {
    "delta": columns.DELTA,
    "gamma": columns.GAMMA,
    "vega": columns.VEGA,
    "theta": columns.THETA,
    "rho": columns.RHO,
}
# Greeks per day are a year's theta over so many days.
DAYS_A_YEAR: Final = {
    "theta_per_day": 365.0,
    "theta_per_calendar_day": 365.0,
    "theta_per_trading_day": 252.0,
}
KINDS: Final = {
    "down_in": columns.DOWN_IN,
    "down_out": columns.DOWN_OUT,
    "up_in": columns.UP_IN,
    "up_out": columns.UP_OUT,
}
# A strike that every price exceeds: the payoff is then paid whatever the price.
NO_STRIKE: Final = 1e-45
IMPLIED_RELATIVE: Final = 1e-8
GRID_RELATIVE: Final = 1e-9
GRID_ABSOLUTE: Final = 1e-10


class NotApplicableError(Exception):
    """The case can't be judged; the text says why."""


class WrongError(Exception):
    """The answer is wrong; the text says how."""


def _right(case: Case) -> float:
    rights = {"call": 1.0, "put": -1.0}
    if case["type"] not in rights:
        raise NotApplicableError(f"type {case['type']!r} is neither call nor put")
    return rights[case["type"]]


def _outputs(family: str, *inputs: float, rows: int = 1) -> list[float]:
    """Outputs of one option; inputs that are refused make the case fail with the rule."""
    outcome = registry.evaluate(family, registry.stack(*inputs), rows)
    if outcome.invalid_count:
        raise WrongError(f"refused: {status.RULES[int(outcome.status[0])][1]}")
    return [float(value) for value in outcome.outputs[:, 0]]


def _spot_inputs(case: Case) -> tuple[float, ...]:
    names = ("spot", "strike", "t", "vol", "r", "q")
    return (_right(case), *(float(case[name]) for name in names))


def _expect(found: float, due: float, tolerance: float) -> None:
    if not abs(found - due) <= tolerance:
        raise WrongError(f"{found!r} is not within {tolerance:g} of {due!r}")


def _tolerance(case: Case) -> float:
    if not isinstance(case.get("tol"), int | float):
        raise NotApplicableError("the case states no tolerance")
    return float(case["tol"])


def _european(case: Case) -> None:
    value = _outputs("black_scholes", *_spot_inputs(case))[0]
    _expect(value, float(case["value"]), _tolerance(case))


def _greek_of(case: Case, name: str) -> float:
    """A greek by the name that files use."""
    outputs = _outputs("black_scholes", *_spot_inputs(case), rows=columns.GREEK_ROWS)
    if name in GREEK_ROWS:
        return outputs[GREEK_ROWS[name]]
    if name in DAYS_A_YEAR:
        return outputs[columns.THETA] / DAYS_A_YEAR[name]
    spot_delta = float(case["spot"]) * outputs[columns.DELTA]
    if name == "elasticity":
        return spot_delta / outputs[columns.VALUE]
    if name == "dividend_rho":
        return -float(case["t"]) * spot_delta
    raise NotApplicableError(f"greek {name!r} isn't computed")


def _greek(case: Case) -> None:
    _expect(_greek_of(case, case["greek"]), float(case["value"]), _tolerance(case))


def _greeks_grid(case: Case) -> None:
    """Price and all greeks of one option, to 1e-9 relative or 1e-10 absolute."""
    found = {"price": _outputs("black_scholes", *_spot_inputs(case))[0]}
    names = (*GREEK_ROWS, "dividend_rho")
    found.update({name: _greek_of(case, name) for name in names})
    for name, value in found.items():
        due = float(case[name])
        try:
            _expect(value, due, max(GRID_RELATIVE * abs(due), GRID_ABSOLUTE))
        except WrongError as error:
            raise WrongError(f"{name}: {error}") from None


def _digital(family: str, amount_name: str | None) -> Judge:
    def judge(case: Case) -> None:
        amount = float(case[amount_name]) if amount_name else 0.0
        value = _outputs(family, *_spot_inputs(case), amount)[0]
        _expect(value, float(case["value"]), _tolerance(case))

    return judge


def _barrier(family: str, amount_name: str | None) -> Judge:
    def judge(case: Case) -> None:
        if case.get("exercise", "european") != "european":
            raise NotApplicableError("barrier options with early exercise aren't priced")
        amount = float(case[amount_name]) if amount_name else 0.0
        kind = KINDS[case["barrier_type"]]
        value = _outputs(family, *_spot_inputs(case), amount, float(case["barrier"]), kind)[0]
        _expect(value, float(case["value"]), _tolerance(case))

    return judge


def _touch(*, pays_asset: bool, at_expiry: bool) -> Judge:
    """Digitals decided by touching the strike: from below for calls, from above for puts."""

    def judge(case: Case) -> None:
        _right(case)
        is_up = case["type"] == "call"
        spot, level = float(case["spot"]), float(case["strike"])
        kind = KINDS[("up_" if is_up else "down_") + case.get("knock", "in")]
        inputs = (1.0, spot, NO_STRIKE, *_spot_inputs(case)[3:])
        if at_expiry:
            family = "barrier_asset" if pays_asset else "barrier_cash"
            amount = 0.0 if pays_asset else float(case["cash"])
        else:
            family = "touch_cash"
            is_touched = spot >= level if is_up else spot <= level
            paid = spot if is_touched else level
            amount = paid if pays_asset else float(case["cash"])
        value = _outputs(family, *inputs, amount, level, kind)[0]
        _expect(value, float(case["value"]), _tolerance(case))

    return judge


def _black76(case: Case) -> None:
    """Undiscounted deviation and discount factor instead of volatility, time and rate."""
    names = ("forward", "strike")
    forward, strike = (float(case[name]) for name in names)
    inputs = (_right(case), forward, strike, 1.0, float(case["std_dev"]), 0.0)
    value = _outputs("black76", *inputs)[0] * float(case["discount"])
    _expect(value, float(case["value"]), _tolerance(case))


def _hull_black76(case: Case) -> None:
    """Options on futures and bonds, a caplet, a swaption: the model times what it is paid in."""
    time, rate = float(case["t"]), float(case["r"])
    inputs = (_right(case), float(case["forward"]), float(case["strike"]), time, float(case["vol"]))
    value = _outputs("black76", *inputs, 0.0)[0]
    kind = case["kind"]
    if kind in ("futures", "bond_call", "bond_put"):
        numeraire = math.exp(-rate * time)
    elif kind == "caplet":
        accrual = float(case["accrual"])
        numeraire = float(case["notional"]) * accrual * math.exp(-rate * (time + accrual))
    elif kind in ("payer_swaption", "receiver_swaption"):
        payments = range(1, 2 * int(case["swap_years"]) + 1)
        annuity = sum(0.5 * math.exp(-rate * (time + 0.5 * number)) for number in payments)
        numeraire = float(case["notional"]) * annuity
    else:
        raise NotApplicableError(f"kind {kind!r} isn't priced")
    _expect(value * numeraire, float(case["value"]), _tolerance(case))


def _hull_binomial(case: Case) -> None:
    time, steps = float(case["t"]), int(case["steps"])
    up = float(case["u"]) if "u" in case else math.exp(float(case["vol"]) * math.sqrt(time / steps))
    value, result = lattice.binomial_value(
        _right(case),
        float(case["spot"]),
        float(case["strike"]),
        time,
        float(case["r"]),
        float(case["q"]),
        steps=steps,
        up=up,
        down=float(case["d"]) if "d" in case else 1.0 / up,
        is_american=case["exercise"] == "american",
    )
    if result != status.OK:
        raise WrongError(f"refused: {status.RULES[result][1]}")
    _expect(value, float(case["value"]), _tolerance(case))


def _implied(family: str, inputs: tuple[float, ...]) -> tuple[float, int]:
    outcome = registry.implied_volatilities(family, registry.stack(*inputs))
    return float(outcome.outputs[0, 0]), int(outcome.status[0])


def _implied_inputs(family: str, case: Case) -> tuple[float, ...]:
    """One block column with the price in the row of volatilities."""
    if family == "black_scholes":
        names = ("spot", "strike", "t", "price", "r", "q")
        return (_right(case), *(float(case[name]) for name in names))
    quoted = ("forward", "strike", "t", "undiscounted_price")
    return (_right(case), *(float(case[name]) for name in quoted), 0.0)


def _implied_volatility(family: str) -> Judge:
    """Relative 1e-8, or ten times what one unit in the last place of the price means."""

    def judge(case: Case) -> None:
        found, result = _implied(family, _implied_inputs(family, case))
        if result != status.OK:
            raise WrongError(f"refused: {status.RULES[result][1]}")
        if "tol" in case:
            _expect(found, float(case["value"]), _tolerance(case))
            return
        due = float(case["sigma"])
        relative = max(IMPLIED_RELATIVE, 10.0 * float(case["rel_condition"]))
        _expect(found, due, relative * due)

    return judge


def _no_implied_volatility(case: Case) -> None:
    found, result = _implied("black76", _implied_inputs("black76", case))
    if result == status.OK:
        raise WrongError(f"{found!r} was found where there is no volatility")


JUDGES: Final[dict[str, Judge]] = {
    "european_haug": _european,
    "european_greeks_haug": _greek,
    "european_greeks_grid": _greeks_grid,
    "hull_european": _european,
    "hull_greeks": _greek,
    "hull_black76": _hull_black76,
    "hull_binomial": _hull_binomial,
    "hull_implied_volatility": _implied_volatility("black_scholes"),
    "black76_values": _black76,
    "cash_or_nothing_european": _digital("cash_or_nothing", "cash"),
    "asset_or_nothing_european": _digital("asset_or_nothing", None),
    "digital_gap_european": _digital("gap", "payoff_strike"),
    "barrier_haug": _barrier("barrier_option", "rebate"),
    "barrier_babsiri": _barrier("barrier_option", "rebate"),
    "barrier_beaglehole": _barrier("barrier_option", "rebate"),
    "binary_barrier_cash_haug": _barrier("barrier_cash", "cash"),
    "binary_barrier_asset_haug": _barrier("barrier_asset", None),
    "cash_at_hit_american": _touch(pays_asset=False, at_expiry=False),
    "asset_at_hit_american": _touch(pays_asset=True, at_expiry=False),
    "cash_at_expiry_american": _touch(pays_asset=False, at_expiry=True),
    "asset_at_expiry_american": _touch(pays_asset=True, at_expiry=True),
    "implied_vol_black76": _implied_volatility("black76"),
    "implied_vol_bs": _implied_volatility("black_scholes"),
    "implied_vol_bachelier": _implied_volatility("bachelier"),
    "implied_vol_no_solution": _no_implied_volatility,
}


def _read(path: Path) -> dict[str, list[Case]]:
    """Cases by family; a file of another shape is refused."""
    try:
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        raise TradeCaptainError(
            reasons.REASON_UNRECOGNISED_FILE, f"{path}: {error.strerror}", field=str(path)
        ) from error
    except orjson.JSONDecodeError as error:
        raise TradeCaptainError(
            reasons.REASON_UNRECOGNISED_FILE, f"{path} is not JSON: {error}", field=str(path)
        ) from error
    families = document if isinstance(document, dict) else {}
    cases = {
        name: family["cases"]
        for name, family in families.items()
        if isinstance(family, dict) and isinstance(family.get("cases"), list)
    }
    if not cases or any(not isinstance(case, dict) for rows in cases.values() for case in rows):
        raise TradeCaptainError(
            reasons.REASON_UNRECOGNISED_FILE,
            f"{path} is not an object of families with cases",
            field=str(path),
        )
    return cases


def judge(files: list[Path]) -> VerifyResult:
    """Judge every case of the files."""
    passed = 0
    failures: list[Failure] = []
    not_applicable: Counter[str] = Counter()
    for path in files:
        try:
            families = _read(path)
        except TradeCaptainError as error:
            failures.append(unreadable(path, error))
            continue
        for name, cases in families.items():
            judge_case = JUDGES.get(name)
            if judge_case is None:
                not_applicable[f"family {name} isn't priced"] += len(cases)
                continue
            for index, case in enumerate(cases):
                try:
                    judge_case(case)
                except NotApplicableError as error:
                    not_applicable[f"{name}: {error}"] += 1
                except WrongError as error:
                    failures.append(Failure(f"{name}[{index}]", str(error)))
                except (KeyError, TypeError, ValueError) as error:
                    failures.append(Failure(f"{name}[{index}]", f"malformed case: {error!r}"))
                else:
                    passed += 1
    return VerifyResult(passed, failures, dict(not_applicable))
