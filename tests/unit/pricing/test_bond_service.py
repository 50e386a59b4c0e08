"""BondService over a real gRPC server: bonds, columns, curves, spreads, credit, refusals."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.wait import wait_until_async
from tradecaptain.api.pricing.v1 import bonds_pb2, bonds_pb2_grpc, fixed_income_pb2
from tradecaptain.edge import EdgeServer, EdgeSettings, Role
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.edge.principals import Principal
from tradecaptain.edge.tokens import TokenEntry, TokenTable
from tradecaptain.pricing.fixed_income.service import Bonds
from tradecaptain.pricing.worker_pool import WorkerPool

READER = (("authorization", "Bearer tc_reader"),)

GILT = {
    "start_date": "1996-02-29",
    "maturity_date": "2021-06-07",
    "first_coupon_date": "1996-06-07",
    "date_rule": fixed_income_pb2.DATE_RULE_FORWARD,
    "coupon_rates": [0.08],
    "ex_coupon": {"days": 6, "calendar": "UNITED_KINGDOM"},
}
NOTE = {
    "start_date": "2024-02-15",
    "maturity_date": "2034-02-15",
    "coupon_rates": [0.04],
}


@asynccontextmanager
async def serving(tmp_path: Path, pool: WorkerPool | None = None) -> AsyncIterator[Any]:
    pool = pool or WorkerPool(1, 4)
    reader = Principal("reader", frozenset(), False, frozenset({Role.READ}))
    server = EdgeServer(
        EdgeSettings("pricing", 0, tmp_path / "none", drain_wait_seconds=0.0),
        source=TokenTable([TokenEntry("tc_reader", reader)]),
    )
    server.add(
        bonds_pb2_grpc.add_BondServiceServicer_to_server, Bonds(pool), access={"*": Role.READ}
    )
    port = await server.start()
    try:
        options = [("grpc.max_receive_message_length", 32 << 20)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            yield bonds_pb2_grpc.BondServiceStub(channel)
    finally:
        await server.stop()
        pool.close()


async def refusal(call: Any) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return from_rpc_error(caught.value)


def query(bond: dict[str, Any], settlement: str, **fields: Any) -> bonds_pb2.BondQuery:
    return bonds_pb2.BondQuery(bond=bond, settlement_date=settlement, **fields)


async def test_a_gilt_is_analysed_on_both_sides_of_its_ex_coupon_date(tmp_path: Path) -> None:
    async with serving(tmp_path) as stub:
        for settlement, accrued, rate in (
            ("2013-05-29", 3.8021978, 0.0749518),
            ("2013-05-30", -0.1758242, 0.0749618),
        ):
            request = bonds_pb2.AnalyseBondRequest(
                query=query(GILT, settlement, clean_price=103.0, with_payments=True)
            )
            found = (await stub.AnalyseBond(request, metadata=READER)).analytics
            assert found.accrued_interest == pytest.approx(accrued, abs=1e-7)
            assert found.dirty_price == pytest.approx(103.0 + accrued, abs=1e-7)
            assert getattr(found, "yield") == pytest.approx(rate, abs=1e-7)
            assert found.payments[0].date == ("2013-06-07" if accrued > 0 else "2013-12-07")
            assert found.payments[-1].amount == 104.0


async def test_a_batch_gives_the_answers_of_single_calls(tmp_path: Path) -> None:
    queries = [query(NOTE, "2025-03-03", **{"yield": 0.01 + 0.001 * n}) for n in range(20)]
    async with serving(tmp_path) as stub:
        batch = await stub.AnalyseBonds(
            bonds_pb2.AnalyseBondsRequest(queries=queries), metadata=READER
        )
        for number in (0, 7, 19):
            request = bonds_pb2.AnalyseBondRequest(query=queries[number])
            single = await stub.AnalyseBond(request, metadata=READER)
            assert batch.analytics[number] == single.analytics


@pytest.mark.parametrize("frequency", [0, 2])
async def test_columns_of_payments_are_solved(frequency: int, tmp_path: Path) -> None:
    count = 5_000
    rates = [0.001 + 0.00002 * number for number in range(count)]
    request = bonds_pb2.SolveYieldsRequest(frequency=frequency)
    for rate in rates:
        factor = math.exp(-rate) if frequency == 0 else (1 + rate / frequency) ** -frequency
        request.dirty_prices.append(5.0 * factor + 105.0 * factor**2)
        request.payment_counts.append(2)
        request.time_years.extend((1.0, 2.0))
        request.amounts.extend((5.0, 105.0))
    async with serving(tmp_path) as stub:
        found = await stub.SolveYields(request, metadata=READER)
    assert list(found.yields) == pytest.approx(rates, rel=1e-12)
    growth = 1.0 if frequency == 0 else 1 + rates[-1] / 2
    weight = 105.0 / growth ** (2 * frequency) if frequency else 105.0 * math.exp(-2 * rates[-1])
    macaulay = 1.0 + weight / request.dirty_prices[-1]
    assert found.macaulay_durations[-1] == pytest.approx(macaulay, rel=1e-12)
    assert found.modified_durations[-1] == pytest.approx(macaulay / growth, rel=1e-12)
    shares = (1.0 - (macaulay - 1.0), macaulay - 1.0)
    second = sum(
        share * time * (time + (1 / frequency if frequency else 0))
        for share, time in zip(shares, (1.0, 2.0), strict=True)
    )
    assert found.convexities[-1] == pytest.approx(second / growth**2, rel=1e-12)


QUOTES = [
    {"deposit": {"tenor": "1M", "rate": 0.03}},
    {"deposit": {"tenor": "6M", "rate": 0.029}},
    {"future": {"start_date": "2025-09-17", "end_date": "2025-12-17", "price": 97.2}},
    {"swap": {"tenor": "2Y", "rate": 0.0255}},
    {"swap": {"tenor": "10Y", "rate": 0.027}},
]


def curve_request(**fields: Any) -> bonds_pb2.BuildCurveRequest:
    return bonds_pb2.BuildCurveRequest(
        reference_date="2025-01-15", calendar="TARGET", quotes=QUOTES, **fields
    )


async def test_a_curve_is_built_and_used(tmp_path: Path) -> None:
    async with serving(tmp_path) as stub:
        built = await stub.BuildCurve(curve_request(), metadata=READER)
        assert [node.date for node in built.curve.nodes] == [
            "2025-02-17",
            "2025-07-17",
            "2025-12-17",
            "2027-01-18",
            "2035-01-17",
        ]
        assert built.zero_rates[-1] == pytest.approx(0.027, abs=1e-3)
        request = bonds_pb2.CompareBondWithCurveRequest(
            bond=NOTE, settlement_date="2025-03-03", curve=built.curve, key_years=[2, 5, 10]
        )
        fair = await stub.CompareBondWithCurve(request, metadata=READER)
        assert not fair.HasField("z_spread")
        request.clean_price = fair.clean_price - 2.0
        cheap = await stub.CompareBondWithCurve(request, metadata=READER)
        assert cheap.z_spread == pytest.approx(2.0 / fair.dirty_price / 7.6, rel=0.05)
        assert sum(cheap.key_rate_durations) == pytest.approx(7.5, abs=0.2)
        request.compounding = fixed_income_pb2.COMPOUNDING_COMPOUNDED
        compounded = await stub.CompareBondWithCurve(request, metadata=READER)
        assert cheap.z_spread < compounded.z_spread < 1.03 * cheap.z_spread


async def test_two_curves_project_and_discount(tmp_path: Path) -> None:
    async with serving(tmp_path) as stub:
        flat = fixed_income_pb2.Curve(reference_date="2025-01-15", flat_rate=0.02)
        built = await stub.BuildCurve(curve_request(discounting_curve=flat), metadata=READER)
        alone = await stub.BuildCurve(curve_request(), metadata=READER)
        # Deposits don't look at the discounting curve, swaps do.
        assert built.curve.nodes[0] == alone.curve.nodes[0]
        moved = built.curve.nodes[-1].discount_factor - alone.curve.nodes[-1].discount_factor
        assert 1e-7 < abs(moved) < 1e-2


async def test_a_floating_note_on_its_own_curve_is_worth_par(tmp_path: Path) -> None:
    note = {
        "start_date": "2025-01-17",
        "maturity_date": "2030-01-17",
        "day_count": fixed_income_pb2.DAY_COUNT_ACT_360,
        "calendar": "TARGET",
        "accrual_convention": fixed_income_pb2.BUSINESS_DAY_CONVENTION_MODIFIED_FOLLOWING,
        "floating": {"index_months": 6},
    }
    async with serving(tmp_path) as stub:
        curve = (await stub.BuildCurve(curve_request(), metadata=READER)).curve
        request = bonds_pb2.CompareBondWithCurveRequest(
            bond=note, settlement_date="2025-01-17", curve=curve
        )
        found = await stub.CompareBondWithCurve(request, metadata=READER)
        assert found.dirty_price == pytest.approx(100.0, abs=1e-9)
        query_ = query(note, "2025-01-17", clean_price=100.0)
        error = await refusal(
            stub.AnalyseBond(bonds_pb2.AnalyseBondRequest(query=query_), metadata=READER)
        )
        assert error.field == "query.forecast_curve"


async def test_credit_quotes_go_both_ways(tmp_path: Path) -> None:
    curve = fixed_income_pb2.Curve(reference_date="2024-05-15", flat_rate=0.04)
    fields = {"trade_date": "2024-05-15", "tenor": "5Y", "coupon": 0.01, "recovery_rate": 0.4}
    async with serving(tmp_path) as stub:
        request = bonds_pb2.PriceCreditDefaultSwapRequest(curve=curve, par_spread=0.02, **fields)
        by_spread = await stub.PriceCreditDefaultSwap(request, metadata=READER)
        assert by_spread.maturity_date == "2029-06-20"
        assert by_spread.upfront == pytest.approx(0.043, abs=2e-3)
        assert by_spread.accrued_premium == pytest.approx(0.01 * 57 / 360, rel=1e-12)
        request = bonds_pb2.PriceCreditDefaultSwapRequest(
            curve=curve, upfront=by_spread.upfront, **fields
        )
        by_upfront = await stub.PriceCreditDefaultSwap(request, metadata=READER)
        assert by_upfront.par_spread == pytest.approx(0.02, rel=1e-12)
        assert by_upfront.hazard_rate == pytest.approx(by_spread.hazard_rate, rel=1e-12)


def analyse(bond: dict[str, Any], settlement: str = "2025-03-03", **fields: Any) -> Any:
    quote = fields or {"clean_price": 100.0}
    return "AnalyseBond", bonds_pb2.AnalyseBondRequest(query=query(bond, settlement, **quote))


def build(quotes: list[Any], **fields: Any) -> Any:
    return "BuildCurve", bonds_pb2.BuildCurveRequest(
        reference_date="2025-01-15", quotes=quotes, **fields
    )


def credit(**fields: Any) -> Any:
    curve = {"reference_date": "2024-05-15", "flat_rate": 0.04}
    terms = {"trade_date": "2024-05-15", "coupon": 0.01, "recovery_rate": 0.4, "curve": curve}
    return "PriceCreditDefaultSwap", bonds_pb2.PriceCreditDefaultSwapRequest(**(terms | fields))


def solve(**fields: Any) -> Any:
    terms = {
        "dirty_prices": [100.0, 99.0],
        "payment_counts": [1, 2],
        "time_years": [1.0, 0.5, 1.0],
        "amounts": [101.0, 3.0, 103.0],
    }
    return "SolveYields", bonds_pb2.SolveYieldsRequest(**(terms | fields))


REFUSED = {
    "settlement_late": (analyse(NOTE, "2034-02-15"), "query.settlement_date"),
    "settlement_early": (analyse(NOTE, "2023-02-15"), "query.settlement_date"),
    "no_such_day": (analyse(NOTE, "2025-02-30"), "query.settlement_date"),
    "no_date": (analyse(NOTE, "tomorrow"), "query.settlement_date"),
    "price": (analyse(NOTE, clean_price=-5.0), "query.clean_price"),
    "yield": (analyse(NOTE, **{"yield": -2.5}), "query.yield"),
    "reversed": (analyse(NOTE | {"maturity_date": "2024-01-01"}), "query.bond.maturity_date"),
    "first": (
        analyse(NOTE | {"first_coupon_date": "2040-01-01"}),
        "query.bond.first_coupon_date",
    ),
    "calendar": (analyse(NOTE | {"calendar": "MARS"}), "query.bond.calendar"),
    "coupons": (analyse(NOTE | {"coupons_a_year": 5}), "query.bond.coupons_a_year"),
    "no_quote": (
        ("AnalyseBond", bonds_pb2.AnalyseBondRequest(query=query(NOTE, "2025-03-03"))),
        "query.quote",
    ),
    "same_end": (
        build([{"swap": {"tenor": "2Y", "rate": 0.02}}, {"swap": {"tenor": "24M", "rate": 0.02}}]),
        "quotes[1]",
    ),
    "past": (
        build([{"deposit": {"start_date": "2024-01-02", "end_date": "2024-06-03", "rate": 0.02}}]),
        "quotes[0]",
    ),
    "tenor_and_end": (
        build([{"deposit": {"tenor": "1M", "end_date": "2025-06-03", "rate": 0.02}}]),
        "quotes[0].deposit.tenor",
    ),
    "tenor": (build([{"swap": {"tenor": "2W", "rate": 0.02}}]), "quotes[0].swap.tenor"),
    "maturity": (
        credit(par_spread=0.02, maturity_date="2024-01-01"),
        "maturity_date",
    ),
    "no_maturity": (credit(par_spread=0.02), "tenor"),
    "no_coupon": (credit(par_spread=0.02, tenor="5Y", coupon=None), "coupon"),
    "no_recovery": (credit(par_spread=0.02, tenor="5Y", recovery_rate=None), "recovery_rate"),
    "no_rate_of_a_curve": (
        credit(par_spread=0.02, tenor="5Y", curve={"reference_date": "2024-05-15"}),
        "curve.nodes",
    ),
    "nodes_and_a_rate": (
        credit(
            par_spread=0.02,
            tenor="5Y",
            curve={
                "reference_date": "2024-05-15",
                "flat_rate": 0.04,
                "nodes": [{"date": "2025-05-15", "discount_factor": 0.96}],
            },
        ),
        "curve.nodes",
    ),
    "no_rate_of_a_deposit": (build([{"deposit": {"tenor": "1M"}}]), "quotes[0].deposit.rate"),
    "no_rate_of_a_swap": (build([{"swap": {"tenor": "2Y"}}]), "quotes[0].swap.rate"),
    "no_price_of_a_future": (
        build([{"future": {"start_date": "2025-09-17"}}]),
        "quotes[0].future.price",
    ),
    "no_rate_of_a_fixing": (
        analyse(NOTE | {"floating": {"index_months": 6, "fixings": [{"date": "2025-01-15"}]}}),
        "query.bond.floating.fixings[0].rate",
    ),
    "hazard": (credit(upfront=0.99, tenor="5Y"), "upfront"),
    "counts": (
        ("SolveYields", bonds_pb2.SolveYieldsRequest(dirty_prices=[100.0])),
        "payment_counts",
    ),
    "amounts": (
        (
            "SolveYields",
            bonds_pb2.SolveYieldsRequest(
                dirty_prices=[100.0], payment_counts=[1], time_years=[1.0], amounts=[1.0, 2.0]
            ),
        ),
        "amounts",
    ),
    "unpayable": (
        (
            "SolveYields",
            bonds_pb2.SolveYieldsRequest(
                dirty_prices=[100.0, -1.0],
                payment_counts=[1, 1],
                time_years=[1.0, 1.0],
                amounts=[101.0, 101.0],
            ),
        ),
        "dirty_prices[1]",
    ),
    "time_of_a_payment": (solve(time_years=[1.0, 0.5, math.nan]), "time_years[2]"),
    "negative_payment": (solve(amounts=[101.0, -3.0, 103.0]), "amounts[1]"),
    "nothing_paid": (solve(amounts=[101.0, 0.0, 0.0]), "payment_counts[1]"),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
async def test_a_refusal_names_the_field(name: str, tmp_path: Path) -> None:
    (method, request), field = REFUSED[name]
    async with serving(tmp_path) as stub:
        error = await refusal(getattr(stub, method)(request, metadata=READER))
    assert error.field == field
    own = "REASON_INVALID_PRICE" if field.endswith(".price") else "REASON_INVALID_REQUEST"
    assert error.name in ("REASON_MODEL_DOMAIN", own)
    assert error.message


async def test_more_large_batches_than_may_wait_are_refused(tmp_path: Path) -> None:
    request = bonds_pb2.AnalyseBondsRequest(
        queries=[query(NOTE, "2025-03-03", clean_price=100.0)] * 300
    )
    pool, release = WorkerPool(1, 1), threading.Event()
    async with serving(tmp_path, pool) as stub:
        held = asyncio.create_task(pool.run(lambda _: release.wait(), None))
        await wait_until_async(lambda: pool.job_count == 1)
        error = await refusal(stub.AnalyseBonds(request, metadata=READER))
        assert error.name == "REASON_OVERLOADED"
        release.set()
        await held
        answer = await stub.AnalyseBonds(request, metadata=READER)
        assert len(answer.analytics) == len(request.queries)
