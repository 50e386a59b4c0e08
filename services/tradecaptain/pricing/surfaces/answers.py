"""Answers of the surface service."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tradecaptain.api.pricing.v1 import surface_pb2
from tradecaptain.kernels.pricing import surface, surface_arbitrage
from tradecaptain.kernels.pricing.surface import Surface, SviSlice
from tradecaptain.pricing.refusals import invalid, unequal
from tradecaptain.pricing.surfaces.quotes import Smile, log_moneyness, parity_of, smile_of
from tradecaptain.pricing.worker_pool import Steps

_THETA_MIN = 1e-30

FloatArray = npt.NDArray[np.float64]


def imply_forwards(
    request: surface_pb2.ImplyForwardsRequest,
) -> Steps[surface_pb2.ImplyForwardsResponse]:
    """Answer a request for forwards."""
    response = surface_pb2.ImplyForwardsResponse()
    for index, quotes in enumerate(request.expiries):
        found = parity_of(quotes, f"expiries[{index}]")
        response.forwards.add(
            time_years=quotes.time_years,
            forward=found.forward,
            discount_factor=found.discount,
            interest_rate=-math.log(found.discount) / quotes.time_years,
        )
        yield
    return response


def fit_surface(
    request: surface_pb2.FitSurfaceRequest,
) -> Steps[surface_pb2.FitSurfaceResponse]:
    """Answer a request for a surface."""
    smiles = []
    for index, expiry in enumerate(request.expiries):
        smiles.append(smile_of(expiry, f"expiries[{index}]"))
        yield
    _refuse_disorder([smile.time_years for smile in smiles], "expiries")
    slices = []
    for smile in smiles:
        slices.append(surface.fit_svi(smile.time_years, smile.moneyness, smile.variance))
        yield
    response = surface_pb2.FitSurfaceResponse()
    if request.model == surface_pb2.SURFACE_MODEL_SSVI:
        thetas = [_variance_at_the_money(item) for item in slices]
        fitted = surface.fit_ssvi(
            thetas, [smile.moneyness for smile in smiles], [smile.variance for smile in smiles]
        )
        yield
        slices = [
            fitted.slice_at(smile.time_years, theta)
            for smile, theta in zip(smiles, thetas, strict=True)
        ]
        response.ssvi.CopyFrom(
            surface_pb2.SsviParameters(
                rho=fitted.rho, eta=fitted.eta, gamma=fitted.gamma, thetas=thetas
            )
        )
    for smile, item in zip(smiles, slices, strict=True):
        response.slices.append(_slice_message(item, smile.forward))
        response.fits.append(_fit_message(smile, item))
    response.arbitrage.CopyFrom(_arbitrage(slices))
    return response


def _variance_at_the_money(item: SviSlice) -> float:
    """Theta of SSVI: what the expiry's own slice has there, which no single quote decides."""
    return max(float(item.total_variance(np.zeros(1))[0]), _THETA_MIN)


def check_surface(
    request: surface_pb2.CheckSurfaceRequest,
) -> surface_pb2.CheckSurfaceResponse:
    """Answer a request for arbitrage."""
    return surface_pb2.CheckSurfaceResponse(arbitrage=_arbitrage(_slices_of(request.slices)))


def interpolate_surface(
    request: surface_pb2.InterpolateSurfaceRequest,
) -> surface_pb2.InterpolateSurfaceResponse:
    """Answer a request for volatilities."""
    slices = _slices_of(request.slices)
    times = np.array(request.time_years)
    response = surface_pb2.InterpolateSurfaceResponse()
    if request.strikes:
        if len(request.strikes) != times.size:
            raise unequal("strikes", len(request.strikes), times.size, "time_years")
        forwards = _forwards_at(request.slices, times)
        response.forwards.extend(forwards.tolist())
        moneyness = log_moneyness(np.array(request.strikes), forwards, "strikes")
    else:
        moneyness = np.array(request.log_moneyness)
        if moneyness.size != times.size:
            raise unequal("log_moneyness", moneyness.size, times.size, "time_years")
    fitted = Surface(tuple(slices))
    volatilities = np.empty(times.size)
    # Points of one expiry together: there are many strikes and few times.
    distinct, places = np.unique(times, return_inverse=True)
    with np.errstate(invalid="ignore"):
        for index, time in enumerate(distinct.tolist()):
            own = places == index
            volatilities[own] = fitted.volatility(time, moneyness[own])
    wrong = np.flatnonzero(~np.isfinite(volatilities))
    if wrong.size:
        first = int(wrong[0])
        raise invalid(
            f"{'strikes' if request.strikes else 'log_moneyness'}[{first}]",
            "the slices have no positive total variance there",
            observed=repr(float(moneyness[first])),
        )
    response.volatilities.extend(volatilities.tolist())
    return response


def _forwards_at(messages: Sequence[surface_pb2.SviSlice], times: FloatArray) -> FloatArray:
    """Forwards at times: their logarithm is linear in time, also beyond the ends."""
    for index, item in enumerate(messages):
        if not item.HasField("forward"):
            raise invalid(f"slices[{index}].forward", "strikes take a forward of every slice")
    known = np.array([item.time_years for item in messages])
    logs = np.log([item.forward for item in messages])
    if known.size == 1:
        return np.full(times.size, messages[0].forward)
    after = np.clip(np.searchsorted(known, times), 1, known.size - 1)
    slope = (logs[after] - logs[after - 1]) / (known[after] - known[after - 1])
    return np.asarray(np.exp(logs[after - 1] + slope * (times - known[after - 1])))


def _slices_of(messages: Sequence[surface_pb2.SviSlice]) -> list[SviSlice]:
    _refuse_disorder([item.time_years for item in messages], "slices")
    return [
        SviSlice(item.time_years, item.a, item.b, item.rho, item.m, item.sigma) for item in messages
    ]


def _refuse_disorder(times: Sequence[float], place: str) -> None:
    for index in range(1, len(times)):
        if times[index] <= times[index - 1]:
            raise invalid(
                f"{place}[{index}]",
                "expiries must come in order of time, each once",
                limit=repr(times[index - 1]),
                observed=repr(times[index]),
            )


def _slice_message(item: SviSlice, forward: float) -> surface_pb2.SviSlice:
    return surface_pb2.SviSlice(
        time_years=item.time,
        forward=forward,
        a=item.a,
        b=item.b,
        rho=item.rho,
        m=item.m,
        sigma=item.sigma,
    )


def _fit_message(smile: Smile, item: SviSlice) -> surface_pb2.SliceFit:
    variance = np.maximum(item.total_variance(smile.moneyness), 0.0)
    gaps = np.sqrt(variance / smile.time_years) - smile.volatility
    fit = surface_pb2.SliceFit(
        rms_error=float(np.sqrt(np.mean(gaps * gaps))),
        error_max=float(np.abs(gaps).max()),
        quote_count=smile.moneyness.size,
        unused_count=smile.unused_count,
    )
    if smile.discount is not None:
        fit.discount_factor = smile.discount
    return fit


def _arbitrage(slices: Sequence[SviSlice]) -> surface_pb2.ArbitrageReport:
    butterflies: list[Any] = []
    for index, item in enumerate(slices):
        wrong = surface_arbitrage.butterfly_violations(item)
        if wrong.size:
            butterflies.append(
                surface_pb2.ButterflyViolation(
                    slice=index, low=float(wrong[0]), high=float(wrong[-1])
                )
            )
    calendars = [
        surface_pb2.CalendarViolation(slice=index, log_moneyness=place)
        for index, place in surface_arbitrage.calendar_violations(slices)
    ]
    return surface_pb2.ArbitrageReport(
        arbitrage_free=not butterflies and not calendars,
        butterflies=butterflies,
        calendars=calendars,
    )
