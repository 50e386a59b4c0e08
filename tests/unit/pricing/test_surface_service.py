"""SurfaceService over a real gRPC server: parity, fits, arbitrage, interpolation."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.pricing_service import Caller, refusal, served
from tradecaptain.api.pricing.v1 import surface_pb2, surface_pb2_grpc
from tradecaptain.kernels.pricing import registry
from tradecaptain.kernels.pricing.surface import Ssvi, Surface
from tradecaptain.pricing.surfaces.service import Surfaces
from tradecaptain.pricing.worker_pool import WorkerPool
from tradecaptain.wire import reason as reasons

MODEL = Ssvi(-0.4, 1.0, 0.4)
TIMES = [0.1, 0.5, 1.0]
THETAS = [0.005, 0.022, 0.045]
RATE, YIELD, SPOT = 0.04, 0.01, 100.0
STRIKES = np.linspace(70.0, 140.0, 15)
# The example of arbitrage of Gatheral and Jacquier, after Axel Vogt.
VOGT = {"time_years": 1.0, "a": -0.041, "b": 0.1331, "rho": 0.306, "m": 0.3586, "sigma": 0.4153}


@asynccontextmanager
async def serving(tmp_path: Path) -> AsyncIterator[Caller]:
    pool = WorkerPool(1, 8)
    add, stub = surface_pb2_grpc.add_SurfaceServiceServicer_to_server, surface_pb2_grpc
    try:
        async with served(tmp_path, (add, Surfaces(pool), stub.SurfaceServiceStub)) as (caller,):
            yield caller
    finally:
        pool.close()


def forward(time: float) -> float:
    return SPOT * math.exp((RATE - YIELD) * time)


def volatilities(index: int) -> np.ndarray:
    time = TIMES[index]
    moneyness = np.log(STRIKES / forward(time))
    return MODEL.slice_at(time, THETAS[index]).volatility(moneyness)


def smile(index: int, **change: Any) -> dict[str, Any]:
    told = {
        "time_years": TIMES[index],
        "forward": forward(TIMES[index]),
        "strikes": STRIKES.tolist(),
        "volatilities": volatilities(index).tolist(),
    }
    return {"smile": {**told, **change}}


def quotes(index: int, **change: Any) -> dict[str, Any]:
    block = registry.stack(1.0, SPOT, STRIKES, TIMES[index], volatilities(index), RATE, YIELD)
    calls, puts = registry.evaluate_pairs("black_scholes", block)
    told = {
        "time_years": TIMES[index],
        "strikes": STRIKES.tolist(),
        "call_prices": calls.outputs[0].tolist(),
        "put_prices": puts.outputs[0].tolist(),
    }
    return {**told, **change}


def slices() -> list[dict[str, float]]:
    found = []
    for time, theta in zip(TIMES, THETAS, strict=True):
        item = MODEL.slice_at(time, theta)
        numbers = {name: getattr(item, name) for name in ("a", "b", "rho", "m", "sigma")}
        found.append({"time_years": time, "forward": forward(time), **numbers})
    return found


async def test_forwards_come_from_parity_whatever_a_few_quotes_say(tmp_path: Path) -> None:
    expiries = [quotes(index) for index in range(3)]
    expiries[1]["call_prices"][2] += 7.0
    request = surface_pb2.ImplyForwardsRequest(expiries=expiries)
    async with serving(tmp_path) as caller:
        answer = await caller.ImplyForwards(request)
    for time, found in zip(TIMES, answer.forwards, strict=True):
        assert found.time_years == time
        assert found.forward == pytest.approx(forward(time), rel=1e-9)
        assert found.discount_factor == pytest.approx(math.exp(-RATE * time), rel=1e-9)
        assert found.interest_rate == pytest.approx(RATE, abs=1e-8)


@pytest.mark.parametrize("form", ["volatilities", "prices"])
async def test_a_fitted_surface_meets_its_quotes_and_is_free_of_arbitrage(
    tmp_path: Path, form: str
) -> None:
    told = [smile(i) if form == "volatilities" else {"prices": quotes(i)} for i in range(3)]
    async with serving(tmp_path) as caller:
        for model in (surface_pb2.SURFACE_MODEL_SVI, surface_pb2.SURFACE_MODEL_SSVI):
            answer = await caller.FitSurface(
                surface_pb2.FitSurfaceRequest(expiries=told, model=model)
            )
            assert answer.arbitrage.arbitrage_free
            for index, (item, fit) in enumerate(zip(answer.slices, answer.fits, strict=True)):
                assert fit.rms_error < 1e-4
                assert fit.rms_error <= fit.error_max < 1e-3
                assert fit.quote_count + fit.unused_count == STRIKES.size
                assert item.forward == pytest.approx(forward(TIMES[index]), rel=1e-9)
                assert fit.HasField("discount_factor") == (form == "prices")
                if form == "prices":
                    due = math.exp(-RATE * TIMES[index])
                    assert fit.discount_factor == pytest.approx(due, rel=1e-9)
        assert answer.ssvi.rho == pytest.approx(MODEL.rho, abs=0.01)
        assert answer.ssvi.thetas == pytest.approx(THETAS, rel=1e-3)


async def test_arbitrage_is_found_and_placed(tmp_path: Path) -> None:
    lower = {**slices()[2], "time_years": 2.0, "a": 0.0}
    request = surface_pb2.CheckSurfaceRequest(slices=[*slices()[:2], VOGT, lower])
    async with serving(tmp_path) as caller:
        report = (await caller.CheckSurface(request)).arbitrage
        clean = await caller.CheckSurface(surface_pb2.CheckSurfaceRequest(slices=slices()))
    assert clean.arbitrage.arbitrage_free
    assert not report.arbitrage_free
    assert report.butterflies[0].slice == 2
    assert 0.5 < report.butterflies[0].low < report.butterflies[0].high
    assert {item.slice for item in report.calendars} >= {3}


FLAT_SLICE = {"time_years": 1.0, "rho": 0.0, "m": 0.0, "sigma": 0.1}


async def test_arbitrage_of_the_wings_is_found_beyond_every_grid(tmp_path: Path) -> None:
    butterfly = [{**FLAT_SLICE, "a": 4.0, "b": 2.05}]
    calendar = [
        {**FLAT_SLICE, "a": 0.04, "b": 0.1},
        {**FLAT_SLICE, "time_years": 2.0, "a": 0.08, "b": 0.09},
    ]
    async with serving(tmp_path) as caller:
        steep, flat = [
            (await caller.CheckSurface(surface_pb2.CheckSurfaceRequest(slices=told))).arbitrage
            for told in (butterfly, calendar)
        ]
    assert not steep.arbitrage_free
    assert steep.butterflies[0].low < -20.0
    assert steep.butterflies[0].high > 20.0
    assert not flat.arbitrage_free
    assert [item.slice for item in flat.calendars] == [1]
    assert flat.calendars[0].log_moneyness < -3.0


async def test_volatilities_lie_on_the_surface_between_and_beyond_its_slices(
    tmp_path: Path,
) -> None:
    times = [0.05, 0.3, 0.5, 2.0]
    own = [MODEL.slice_at(time, theta) for time, theta in zip(TIMES, THETAS, strict=True)]
    surface = Surface(tuple(own))
    async with serving(tmp_path) as caller:
        by_moneyness = await caller.InterpolateSurface(
            surface_pb2.InterpolateSurfaceRequest(
                slices=slices(), time_years=times, log_moneyness=[0.1] * 4
            )
        )
        by_strike = await caller.InterpolateSurface(
            surface_pb2.InterpolateSurfaceRequest(
                slices=slices(),
                time_years=times,
                strikes=[forward(time) * math.exp(0.1) for time in times],
            )
        )
    due = [float(surface.volatility(time, np.array([0.1]))[0]) for time in times]
    assert list(by_moneyness.volatilities) == due
    assert not by_moneyness.forwards
    assert list(by_strike.volatilities) == pytest.approx(due, rel=1e-12)
    assert list(by_strike.forwards) == pytest.approx([forward(t) for t in times], rel=1e-12)


async def test_one_slice_is_a_surface(tmp_path: Path) -> None:
    request = surface_pb2.InterpolateSurfaceRequest(
        slices=slices()[:1], time_years=[0.1, 5.0], strikes=[100.0, 100.0]
    )
    async with serving(tmp_path) as caller:
        answer = await caller.InterpolateSurface(request)
    assert answer.volatilities[0] == answer.volatilities[1] > 0.0
    assert list(answer.forwards) == [forward(0.1)] * 2


def interpolated(slice_: dict[str, float], **points: list[float]) -> Any:
    return surface_pb2.InterpolateSurfaceRequest(slices=[slice_], time_years=[1.0], **points)


FIT, PARITY, CHECK = (
    surface_pb2.FitSurfaceRequest,
    surface_pb2.ImplyForwardsRequest,
    surface_pb2.CheckSurfaceRequest,
)


# The ratios of strikes and forward are beyond what a number holds.
TINY = smile(0, forward=1e-300, strikes=[1e10 * item for item in STRIKES.tolist()])
NEGATIVE, SHORT = {**VOGT, "a": -1.0}, smile(0, volatilities=[0.2])


@pytest.mark.parametrize(
    ("call", "request_message", "field"),
    [
        ("ImplyForwards", PARITY(expiries=[quotes(0, put_prices=[1.0])]), "expiries[0].put_prices"),
        ("ImplyForwards", PARITY(expiries=[quotes(0, strikes=[100.0])]), "expiries[0].strikes"),
        ("ImplyForwards", PARITY(expiries=[quotes(0, strikes=[100.0] * 15)]), "expiries[0]"),
        ("FitSurface", FIT(expiries=[{}]), "expiries[0].quotes"),
        ("FitSurface", FIT(expiries=[smile(1), smile(0)]), "expiries[1]"),
        ("FitSurface", FIT(expiries=[SHORT]), "expiries[0].smile.volatilities"),
        ("FitSurface", FIT(expiries=[smile(0, strikes=[100.0] * 15)]), "expiries[0].smile.strikes"),
        ("FitSurface", FIT(expiries=[TINY]), "expiries[0].smile.strikes[0]"),
        ("CheckSurface", CHECK(slices=[VOGT, VOGT]), "slices[1]"),
        ("CheckSurface", CHECK(slices=[{**VOGT, "sigma": 0.0}]), "slices[0].sigma"),
        *(
            ("CheckSurface", CHECK(slices=[{**VOGT, name: None}]), f"slices[0].{name}")
            for name in VOGT
        ),
        ("FitSurface", FIT(expiries=[smile(0, forward=None)]), "expiries[0].smile.forward"),
        ("InterpolateSurface", interpolated(VOGT), "log_moneyness"),
        ("InterpolateSurface", interpolated(VOGT, strikes=[9.0]), "slices[0].forward"),
        (
            "InterpolateSurface",
            interpolated({**VOGT, "forward": 1e-300}, strikes=[1e20]),
            "strikes[0]",
        ),
        ("InterpolateSurface", interpolated(VOGT, log_moneyness=[0.0, 1.0]), "log_moneyness"),
        ("InterpolateSurface", interpolated(NEGATIVE, log_moneyness=[0.0]), "log_moneyness[0]"),
    ],
)
async def test_what_is_wrong_with_a_surface_is_named(
    tmp_path: Path, call: str, request_message: Any, field: str
) -> None:
    async with serving(tmp_path) as caller:
        error = await refusal(getattr(caller, call)(request_message))
    assert error.field == field
    assert error.reason in (reasons.REASON_INVALID_REQUEST, reasons.REASON_MODEL_DOMAIN)
