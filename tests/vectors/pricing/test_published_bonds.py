"""Published fixed income cases, and QuantLib's figures in the same shapes, judged end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import QuantLib
from support.truth import truth_path
from tradecaptain.cli.verify import bonds
from tradecaptain.kernels.pricing import day_count
from tradecaptain.kernels.pricing.civil_date import add_months
from tradecaptain.pricing.fixed_income.bonds import (
    Bond,
    BondTerms,
    from_clean_price,
    from_yield,
)
from tradecaptain.pricing.fixed_income.calendars import BusinessDayConvention, calendar
from tradecaptain.pricing.fixed_income.credit import CreditContract, from_spread, weekends
from tradecaptain.pricing.fixed_income.curves import (
    Deposit,
    FixedLeg,
    FloatingLeg,
    Swap,
    bootstrap,
)
from tradecaptain.pricing.fixed_income.dates import parse_day
from tradecaptain.pricing.fixed_income.schedules import DateRule, ScheduleTerms

GIVEN = "pricing/fixed_income_vectors.json"
PUBLISHED = Path(__file__).with_name("published_fixed_income.json")

type Document = dict[str, Any]


def written(folder: Path, document: Document) -> Path:
    path = folder / "file.json"
    path.write_text(json.dumps(document))
    return path


def ql_date(text: str) -> QuantLib.Date:
    day = date.fromisoformat(text)
    return QuantLib.Date(day.day, day.month, day.year)


def test_all_given_cases_pass() -> None:
    path = truth_path(GIVEN)
    blocks = json.loads(path.read_text())
    result = bonds.judge([path])
    assert list(result.failures) == []
    assert dict(result.not_applicable) == {}
    count = sum(len(block["cases"]) + len(block.get("grid", [])) for block in blocks.values())
    assert result.passed == count


def test_published_market_figures_pass() -> None:
    result = bonds.judge([PUBLISHED])
    assert list(result.failures) == []
    assert result.passed == 3 + 6 + 20


# ---- a grid of bonds, priced by QuantLib

DAY_COUNTS: dict[str, Callable[[QuantLib.Schedule], Any]] = {
    "Act/Act ISMA (ICMA)": lambda s: QuantLib.ActualActual(QuantLib.ActualActual.ISMA, s),
    "30/360 Bond Basis": lambda s: QuantLib.Thirty360(QuantLib.Thirty360.BondBasis),
    "30E/360 Eurobond": lambda s: QuantLib.Thirty360(QuantLib.Thirty360.EurobondBasis),
    "Act/365 Fixed": lambda s: QuantLib.Actual365Fixed(),
    "Act/360": lambda s: QuantLib.Actual360(),
    "Act/Act ISDA": lambda s: QuantLib.ActualActual(QuantLib.ActualActual.ISDA),
}


def grid_case(name: str, frequency: int, maturity: str, coupon: float, rate: float) -> Document:
    start, settle = ql_date("2020-06-15"), ql_date("2024-02-29")
    QuantLib.Settings.instance().evaluationDate = settle
    unadjusted = QuantLib.Unadjusted
    schedule = QuantLib.Schedule(
        start,
        ql_date(maturity),
        QuantLib.Period(12 // frequency, QuantLib.Months),
        QuantLib.NullCalendar(),
        unadjusted,
        unadjusted,
        QuantLib.DateGeneration.Backward,
        False,
    )
    counter = DAY_COUNTS[name](schedule)
    bond = QuantLib.FixedRateBond(0, 100.0, schedule, [coupon], counter, unadjusted, 100.0, start)
    quote = QuantLib.InterestRate(rate, counter, QuantLib.Compounded, frequency)
    functions, duration = QuantLib.BondFunctions, QuantLib.Duration
    clean = functions.cleanPrice(bond, quote, settle)
    accrued = functions.accruedAmount(bond, settle)
    return {
        "coupon": coupon,
        "freq": frequency,
        "issue": "2020-06-15",
        "maturity": maturity,
        "settle": "2024-02-29",
        "day_count": name,
        "ytm": rate,
        "clean": clean,
        "accrued": accrued,
        "dirty": clean + accrued,
        "macaulay": functions.duration(bond, quote, duration.Macaulay, settle),
        "modified": functions.duration(bond, quote, duration.Modified, settle),
        "convexity": functions.convexity(bond, quote, settle),
        "dv01": -functions.basisPointValue(bond, quote, settle),
    }


def bond_grid() -> Document:
    cases = [
        grid_case(name, frequency, maturity, coupon, rate)
        for name in DAY_COUNTS
        for frequency in (1, 2, 4)
        for maturity in ("2024-06-15", "2029-06-15", "2050-06-15")
        for coupon, rate in ((0.0125, 0.031), (0.0725, 0.0025), (0.05, 0.0), (0.0, -0.005))
    ]
    return {"tolerance": "1e-8 relative (dv01 1e-6)", "cases": cases}


def test_a_grid_of_quantlibs_bonds_passes(tmp_path: Path) -> None:
    block = bond_grid()
    result = bonds.judge([written(tmp_path, {"bond_grid": block})])
    assert list(result.failures) == []
    assert result.passed == len(block["cases"])


# ---- a curve of deposits and swaps, bootstrapped by QuantLib

CURVE_CONVENTIONS = (
    "evaluation 2025-01-15, TARGET calendar, spot T+2, deposits Act/360 ModFollowing EOM,"
    " swaps annual 30/360 Unadjusted vs 6M Euribor Act/360"
)
DEPOSITS = [["1W", 0.0288], ["1M", 0.0285], ["3M", 0.0275], ["6M", 0.0262]]
SWAPS = [["1Y", 0.0245], ["2Y", 0.0232], ["5Y", 0.0232], ["10Y", 0.0245], ["30Y", 0.0240]]


def deposit_swap_curve(interpolation: str = "") -> Document:
    evaluation, target = ql_date("2025-01-15"), QuantLib.TARGET()
    QuantLib.Settings.instance().evaluationDate = evaluation
    helpers: list[Any] = [
        QuantLib.DepositRateHelper(
            rate,
            QuantLib.Period(tenor),
            2,
            target,
            QuantLib.ModifiedFollowing,
            True,
            QuantLib.Actual360(),
        )
        for tenor, rate in DEPOSITS
    ]
    helpers += [
        QuantLib.SwapRateHelper(
            rate,
            QuantLib.Period(tenor),
            target,
            QuantLib.Annual,
            QuantLib.Unadjusted,
            QuantLib.Thirty360(QuantLib.Thirty360.BondBasis),
            QuantLib.Euribor6M(),
        )
        for tenor, rate in SWAPS
    ]
    makers = {
        "": QuantLib.PiecewiseLogLinearDiscount,
        "linear zero rates": QuantLib.PiecewiseLinearZero,
        "natural log-cubic discount": QuantLib.PiecewiseNaturalLogCubicDiscount,
    }
    curve = makers[interpolation](evaluation, helpers, QuantLib.Actual365Fixed())
    nodes = [[day.ISO(), curve.discount(day)] for day in curve.dates()]
    return {
        "conventions": f"{CURVE_CONVENTIONS} {interpolation}",
        "tolerance": 1e-9,
        "deposits": DEPOSITS,
        "swaps": SWAPS,
        "nodes": nodes,
    }


@pytest.mark.parametrize("interpolation", ["", "linear zero rates", "natural log-cubic discount"])
def test_quantlibs_curve_passes(interpolation: str, tmp_path: Path) -> None:
    block = deposit_swap_curve(interpolation)
    result = bonds.judge([written(tmp_path, {"deposit_swap_curve": block})])
    assert list(result.failures) == []
    assert result.passed == len(block["nodes"])


def test_quotes_and_nodes_may_be_objects(tmp_path: Path) -> None:
    block = deposit_swap_curve()
    block["deposits"] = [{"rate": rate, "tenor": tenor} for tenor, rate in DEPOSITS]
    block["swaps"] = dict(SWAPS)
    block["nodes"] = [{"t": 0.1, "date": day, "df": value} for day, value in block["nodes"]]
    result = bonds.judge([written(tmp_path, {"deposit_swap_curve": block})])
    assert result.is_good


# ---- what must not pass


@cache
def computed() -> Document:
    grid = bond_grid()
    grid["cases"] = grid["cases"][::9]
    return {"bond_grid": grid, "deposit_swap_curve": deposit_swap_curve()}


def published() -> Document:
    document: Document = json.loads(PUBLISHED.read_text())
    return document | deepcopy(computed())


CHANGES: dict[str, Callable[[Document], None]] = {
    "gilt_yield": lambda d: d["bloomberg_verified_bonds"]["cases"][0]["rows"][1].update(
        {"yield": 0.0749638}
    ),
    "gilt_ex_days": lambda d: d["bloomberg_verified_bonds"]["cases"][0].update(
        ex_coupon="5 business"
    ),
    "agb_ex_days": lambda d: d["bloomberg_verified_bonds"]["cases"][1].update(ex_coupon=8),
    "brazil": lambda d: d["brazil_ntnf_andima"]["cases"][3].update(price=1028.1360),
    "grid": lambda d: d["bond_grid"]["cases"][7].update(
        convexity=d["bond_grid"]["cases"][7]["convexity"] * (1 + 2e-8)
    ),
    "grid_dv01": lambda d: d["bond_grid"]["cases"][7].update(
        dv01=d["bond_grid"]["cases"][7]["dv01"] * (1 + 2e-5)
    ),
    "node": lambda d: d["deposit_swap_curve"]["nodes"][5].__setitem__(1, 0.9),
    "upfront": lambda d: d["cds_isda_markit"]["upfront"].__setitem__(6, 1646626.0),
}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_changed_answer_fails(name: str, tmp_path: Path) -> None:
    document = published()
    CHANGES[name](document)
    assert bonds.judge([written(tmp_path, document)]).failed_count == 1


MALFORMED: dict[str, tuple[Callable[[Document], None], str]] = {
    "missing": (lambda d: d["bond_grid"]["cases"][0].pop("ytm"), "field ytm is missing"),
    "text": (
        lambda d: d["bond_grid"]["cases"][0].update(coupon="5"),
        "field coupon must be a finite number",
    ),
    "date": (
        lambda d: d["bond_grid"]["cases"][0].update(settle="29.2.2024"),
        "field settle must be a date YYYY-MM-DD",
    ),
    "frequency": (lambda d: d["bond_grid"]["cases"][0].update(freq=5), "field freq must be"),
    "rows": (
        lambda d: d["bloomberg_verified_bonds"]["cases"][0].update(rows="none"),
        "field rows must be a list",
    ),
    "nodes": (lambda d: d["deposit_swap_curve"].pop("nodes"), "field node is missing"),
    "upfronts": (lambda d: d["cds_isda_markit"]["upfront"].pop(), "field upfront is missing"),
}


@pytest.mark.parametrize("name", sorted(MALFORMED))
def test_a_malformed_case_names_its_field(name: str, tmp_path: Path) -> None:
    document = published()
    change, why = MALFORMED[name]
    change(document)
    result = bonds.judge([written(tmp_path, document)])
    assert result.failed_count == 1
    assert result.failures[0].why.startswith(f"malformed case: {why}")


def test_dates_that_make_no_bond_are_refused_by_field(tmp_path: Path) -> None:
    block = bond_grid()
    block["cases"] = block["cases"][:1]
    block["cases"][0]["settle"] = "2060-01-01"
    result = bonds.judge([written(tmp_path, {"bond_grid": block})])
    why = "REASON_MODEL_DOMAIN: settlement: settlement must lie before the maturity"
    assert result.failures[0].why.startswith(why)


def test_unknown_blocks_and_words_are_not_applicable(tmp_path: Path) -> None:
    grid = bond_grid()
    names = ("lunar", "30/360 Italian", "Act/365 Canadian Bond")
    grid["cases"] = [grid["cases"][0] | {"day_count": name} for name in names]
    grid["cases"].append(bond_grid()["cases"][1] | {"call": 101})
    document = {"callable_bonds": {"cases": [{}, {}]}, "caps": {"strikes": []}, "bond_grid": grid}
    result = bonds.judge([written(tmp_path, document)])
    assert (result.passed, result.failed_count) == (0, 0)
    assert dict(result.not_applicable) == {
        "family callable_bonds isn't computed": 2,
        "family caps isn't computed": 1,
        **{f"bond_grid: day count {name!r} isn't known": 1 for name in names},
        "bond_grid: fields without a meaning here: call": 1,
    }


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"bond_grid": 3}', '{"bond_grid": {"cases": [3]}}']
)
def test_what_is_no_file_of_blocks_fails_as_a_whole(text: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(text)
    result = bonds.judge([path])
    assert result.failed_count == 1
    assert "REASON_UNRECOGNISED_FILE" in result.failures[0].why


def test_a_malformed_block_fails_beside_good_ones(tmp_path: Path) -> None:
    grid = bond_grid()
    document = {"bond_grid": grid, "day_counts": {"cases": "many"}, "cached_fixed": 3,
                "hull_examples": {"cases": [], "grid": {}}}  # fmt: skip
    result = bonds.judge([written(tmp_path, document)])
    assert result.passed == len(grid["cases"])
    assert [failure.id for failure in result.failures] == [
        "day_counts",
        "cached_fixed",
        "hull_examples.grid",
    ]


# ---- other shapes of the same figures

AXES = (
    ["2010-06-20", "2011-06-20", "2012-06-20", "2016-06-20", "2019-06-20"],
    [0.001, 0.1],
    [0.2, 0.4],
)


def credit_block(**changes: Any) -> Document:
    return {"cds_isda_markit": published()["cds_isda_markit"] | changes}


@pytest.mark.parametrize(
    "order",
    [
        "for date in [2010-06-20, 2011-06-20, 2012-06-20, 2016-06-20, 2019-06-20],"
        " for spread in [0.001, 0.1], for recovery in [0.2, 0.4]",
        "term dates 20 June 2010, 2011, 2012, 2016, 2019; spreads 0.001, 0.1; recoveries 0.2, 0.4",
        "5 term dates x 2 spreads x 2 recoveries",
        ["maturity", "spread", "recovery"],
        dict(zip(("maturities", "spreads", "recoveries"), AXES, strict=True)),
    ],
)
def test_the_table_of_upfronts_may_name_its_axes_in_words(order: object, tmp_path: Path) -> None:
    result = bonds.judge([written(tmp_path, credit_block(order=order))])
    assert (result.passed, list(result.failures)) == (20, [])


def test_markits_cash_amount_of_2021_under_negative_rates() -> None:
    """A euro contract of Markit's calculator: 1 million, 67.13 basis points, 1 % running."""
    trade, centre = parse_day("2021-07-26", "trade"), weekends()
    spot = centre.add_business_days(trade, 2)
    deposits = {1: -0.0056, 3: -0.00544, 6: -0.00519, 12: -0.00493}
    swaps = {
        2: -0.00482, 3: -0.00442, 4: -0.00399, 5: -0.00352, 6: -0.00297, 7: -0.00237,
        8: -0.00176, 9: -0.00114, 10: -0.00054, 12: 0.00057, 15: 0.00188, 20: 0.00294,
        30: 0.00282,
    }  # fmt: skip
    following = BusinessDayConvention.MODIFIED_FOLLOWING
    quotes: list[Any] = [
        Deposit(
            spot,
            centre.add_months(spot, months, following, end_of_month=False),
            rate,
            day_count.ACT_360,
        )
        for months, rate in deposits.items()
    ]
    quotes += [
        Swap(spot, add_months(spot, 12 * years), rate, centre, FixedLeg(12), FloatingLeg(6))
        for years, rate in swaps.items()
    ]
    curve = bootstrap(trade, quotes)
    contract = CreditContract(trade, parse_day("2026-06-20", "end"), 0.01, 0.4, centre)
    found = from_spread(contract, 0.006713, curve)
    assert found.accrued * 1e6 == pytest.approx(1000.0, rel=1e-9)
    # The calculator tells the value on the trade date of what is paid three days later.
    paid = curve.discount(centre.add_business_days(trade, 3))
    assert found.upfront * 1e6 * paid == pytest.approx(-16070.7, rel=1e-5)


def test_a_treasury_note_with_a_short_last_period() -> None:
    """Figures that QuantLib's test suite holds: a basis point of yield, with the curve's bend."""
    dates = [parse_day(text, "day") for text in ("2023-11-15", "2033-08-15")]
    schedule = ScheduleTerms(*dates, 6, calendar("NONE"), rule=DateRule.FORWARD)
    note = Bond(BondTerms(schedule, (0.045,), day_count.THIRTY_360_US))
    rate = from_clean_price(note, parse_day("2024-01-30", "settle"), 102.890625).yield_
    assert rate == pytest.approx(0.041301, abs=1e-6)
    for settlement, due in (("2024-01-30", 795.459834), ("2024-02-12", 793.149033)):
        found = from_yield(note, parse_day(settlement, "settle"), rate)
        # There the convexity is counted in hundreds.
        bend = 0.5e-8 * found.convexity / 100.0 * found.dirty
        assert (found.dv01 - bend) * 10_000 == pytest.approx(due, abs=1e-6)


def test_another_order_of_axes_is_another_table(tmp_path: Path) -> None:
    order = ["maturity", "recovery", "spread"]
    result = bonds.judge([written(tmp_path, credit_block(order=order))])
    assert (result.passed, result.failed_count) == (10, 10)


def test_upfronts_may_stand_with_their_places(tmp_path: Path) -> None:
    values = published()["cds_isda_markit"]["upfront"]
    places = list(product(*AXES))
    rows = [[*place, value] for place, value in zip(places, values, strict=True)]
    names = ("term_date", "spread", "recovery_rate", "value")
    objects = [dict(zip(names, entry, strict=True)) for entry in rows]
    for upfront in (rows, objects):
        result = bonds.judge([written(tmp_path, credit_block(upfront=upfront))])
        assert (result.passed, list(result.failures)) == (20, [])


def test_market_rows_may_be_as_the_terminal_prints_them(tmp_path: Path) -> None:
    block = published()["bloomberg_verified_bonds"]
    gilt = block["cases"][0] | {"face": 1_000_000, "ex_coupon": {"days": 6, "calendar": "UK"}}
    gilt["rows"] = [
        ["2013-05-29", 103, 38021.97802, 106.8021978, 7.495180593, 5.676044458, 0.4215314859],
        {
            "settlement_date": "2013-05-30",
            "clean": 103,
            "accrued": -1758.241758,
            "dirty": 102.8241758,
            "ytm": 7.496183543,
            "mod_duration": 5.892816328,
            "convexity": 0.4375621862,
            "pv01": 0.06059239822,
        },
    ]
    block["cases"] = [gilt]
    result = bonds.judge([written(tmp_path, {"bloomberg_verified_bonds": block})])
    assert (result.passed, list(result.failures)) == (1, [])
    gilt["rows"][1]["pv01"] *= 1.001
    result = bonds.judge([written(tmp_path, {"bloomberg_verified_bonds": block})])
    assert result.failures[0].why.startswith("dv01:")
