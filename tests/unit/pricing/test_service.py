"""PricingService over a real gRPC server: values, batches, live chains, volatilities, refusals."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from support.wait import wait_until_async
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.pricing.v1 import pricing_pb2, pricing_pb2_grpc
from tradecaptain.base.clock import ManualClock
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.reference_file import default_reference
from tradecaptain.edge import EdgeServer, EdgeSettings, Principal, Role
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.edge.tokens import TokenEntry, TokenTable
from tradecaptain.kernels.pricing import american, columns, registry
from tradecaptain.pricing.agent import QUOTE
from tradecaptain.pricing.chain import YEAR_NS, OptionChain
from tradecaptain.pricing.config import PricingConfig
from tradecaptain.pricing.service import Pricing
from tradecaptain.pricing.volatility import VolatilityBook
from tradecaptain.pricing.worker_pool import WorkerPool
from tradecaptain.wire import reason as reasons
from twins.pricing import european as twin

REFERENCE = default_reference()
ACME = REFERENCE.by_symbol("ACME@XSIM")
OPTIONS = REFERENCE.options_on(ACME.instrument_id)
CALL, PUT = instruments_pb2.OPTION_RIGHT_CALL, instruments_pb2.OPTION_RIGHT_PUT
READER = (("authorization", "Bearer tc_reader"),)
OPERATOR = (("authorization", "Bearer tc_operator"),)
GREEKS = ("delta", "gamma", "vega", "theta", "rho")
HULL = {
    "right": CALL,
    "spot": 42.0,
    "strike": 40.0,
    "time_years": 0.5,
    "volatility": 0.2,
    "interest_rate": 0.1,
    "dividend_yield": 0.0,
}


def quote_rows(bid: int, ask: int) -> Any:
    rows = np.zeros(1, dtype=QUOTE)
    rows["instrument_id"] = ACME.instrument_id
    rows["bid_price_units"], rows["ask_price_units"] = bid, ask
    rows["bid_quantity_units"], rows["ask_quantity_units"] = bid > 0, ask > 0
    return rows


@dataclass
class Served:
    """A running service, its clock, and a client."""

    service: Pricing
    clock: ManualClock
    address: str
    stub: Any

    def quote(self, bid: int, ask: int, sequence: int = 1, **fields: int) -> None:
        rows = quote_rows(bid, ask)
        rows["epoch"], rows["sequence"], rows["event_time_ns"] = 3, sequence, 99
        rows["receive_time_ns"] = self.clock.now_ns()
        for name, value in fields.items():
            rows[name] = value
        self.service.on_quotes(rows)

    def chain(self, interval_ms: int = 0, underlying: str = "ACME@XSIM") -> Any:
        request = pricing_pb2.StreamOptionChainRequest(
            underlying=underlying, interval_ms=interval_ms
        )
        return self.stub.StreamOptionChain(request, metadata=READER)


def stub_of(channel: grpc.aio.Channel) -> Any:
    return pricing_pb2_grpc.PricingServiceStub(channel)


@asynccontextmanager
async def serving(tmp_path: Path, **settings: Any) -> AsyncIterator[Served]:
    clock = ManualClock()
    book = VolatilityBook(REFERENCE, tmp_path / "volatilities.json")
    service = Pricing(REFERENCE, book, PricingConfig(**settings), clock)
    server = EdgeServer(
        EdgeSettings("pricing", 0, tmp_path / "none", drain_wait_seconds=0.0),
        source=TokenTable(
            [
                TokenEntry(
                    "tc_reader", Principal("reader", frozenset(), False, frozenset({Role.READ}))
                ),
                TokenEntry(
                    "tc_operator",
                    Principal("operator", frozenset(), True, frozenset({Role.OPERATE})),
                ),
            ]
        ),
    )
    server.add(
        pricing_pb2_grpc.add_PricingServiceServicer_to_server,
        service,
        access={"SetVolatility": Role.OPERATE, "*": Role.READ},
    )
    port = await server.start()
    try:
        options = [("grpc.max_receive_message_length", 32 << 20)]
        address = f"127.0.0.1:{port}"
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            yield Served(service, clock, address, stub_of(channel))
    finally:
        await server.stop()
        service.close()


async def refusal(call: Any) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def read_values(stream: Any) -> pricing_pb2.ChainValues:
    response = await asyncio.wait_for(stream.read(), 10)
    assert response is not grpc.aio.EOF
    assert response.HasField("values")
    values: pricing_pb2.ChainValues = response.values
    return values


def twin_inputs(fields: dict[str, Any]) -> tuple[float, ...]:
    right = 1.0 if fields["right"] == CALL else -1.0
    names = ("spot", "strike", "time_years", "volatility", "interest_rate", "dividend_yield")
    return (right, *(fields[name] for name in names))


async def test_one_option_is_priced_with_its_greeks(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        for right in (CALL, PUT):
            fields = {**HULL, "right": right}
            request = pricing_pb2.PriceOptionRequest(option=pricing_pb2.OptionInputs(**fields))
            answer = (await served.stub.PriceOption(request, metadata=READER)).value
            inputs = twin_inputs(fields)
            assert answer.value == pytest.approx(
                float(twin.value("black_scholes", inputs)), abs=4e-14
            )
            for name in GREEKS:
                due = float(twin.greek("black_scholes", name, inputs))
                assert getattr(answer, name) == pytest.approx(due, rel=1e-12)


async def test_rows_and_columns_give_the_same_in_the_order_asked(tmp_path: Path) -> None:
    # Small batches run in the loop, but for the first, which loads kernels; larger ones on a
    # thread: all must answer alike.
    async with serving(tmp_path, inline_options=50) as served:
        random = np.random.default_rng(5)
        for count in (3, 5, 400):
            rows = [
                {**HULL, "right": int(right), "strike": float(strike)}
                for right, strike in zip(
                    random.choice([CALL, PUT], count), random.uniform(20, 60, count), strict=True
                )
            ]
            by_rows = await served.stub.PriceOptions(
                pricing_pb2.PriceOptionsRequest(
                    options=[pricing_pb2.OptionInputs(**row) for row in rows]
                ),
                metadata=READER,
            )
            columns = pricing_pb2.OptionInputColumns(
                **{name: [row[name] for row in rows] for name in HULL}
            )
            by_columns = await served.stub.PriceOptions(
                pricing_pb2.PriceOptionsRequest(columns=columns), metadata=READER
            )
            assert len(by_rows.values) == count
            for name in ("value", *GREEKS):
                values = [getattr(value, name) for value in by_rows.values]
                assert list(getattr(by_columns.columns, name)) == values
            first = float(twin.value("black_scholes", twin_inputs(rows[0])))
            assert by_rows.values[0].value == pytest.approx(first, abs=1e-13)


async def test_a_hundred_thousand_options_fit_in_one_call(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        count = 100_000
        strikes = np.linspace(10, 90, count)
        columns = pricing_pb2.OptionInputColumns(
            **{name: [HULL[name]] * count for name in HULL if name != "strike"},
            strike=strikes.tolist(),
        )
        answer = await served.stub.PriceOptions(
            pricing_pb2.PriceOptionsRequest(columns=columns), metadata=READER
        )
        values = np.array(answer.columns.value)
        assert values.shape == (count,)
        assert (np.diff(values) <= 1e-14).all()


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"spot": -1.0}, reasons.REASON_INVALID_REQUEST, "option.spot"),
        ({"strike": float("nan")}, reasons.REASON_INVALID_REQUEST, "option.strike"),
        ({"right": 0}, reasons.REASON_INVALID_REQUEST, "option.right"),
        ({"volatility": 101.0}, reasons.REASON_MODEL_DOMAIN, "option.volatility"),
        ({"interest_rate": 200.0}, reasons.REASON_MODEL_DOMAIN, "option.interest_rate"),
        ({"time_years": 2000.0}, reasons.REASON_MODEL_DOMAIN, "option.time_years"),
        (
            {"exercise_style": instruments_pb2.EXERCISE_STYLE_BERMUDAN},
            reasons.REASON_MODEL_DOMAIN,
            "option.exercise_style",
        ),
    ],
)
async def test_an_input_outside_its_domain_is_named(
    tmp_path: Path, change: dict[str, Any], reason: int, field: str
) -> None:
    async with serving(tmp_path) as served:
        option = pricing_pb2.OptionInputs(**{**HULL, **change})
        request = pricing_pb2.PriceOptionRequest(option=option)
        error = await refusal(served.stub.PriceOption(request, metadata=READER))
        assert (error.reason, error.field) == (reason, field)


async def test_the_option_at_fault_in_a_batch_is_named(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        good = pricing_pb2.OptionInputs(**HULL)
        bad = pricing_pb2.OptionInputs(**{**HULL, "volatility": 500.0})
        request = pricing_pb2.PriceOptionsRequest(options=[good, bad, good])
        error = await refusal(served.stub.PriceOptions(request, metadata=READER))
        assert (error.reason, error.field) == (
            reasons.REASON_MODEL_DOMAIN,
            "options[1].volatility",
        )
        columns = pricing_pb2.OptionInputColumns(
            **{name: [HULL[name]] * (2 if name == "strike" else 3) for name in HULL}
        )
        request = pricing_pb2.PriceOptionsRequest(columns=columns)
        error = await refusal(served.stub.PriceOptions(request, metadata=READER))
        assert (error.reason, error.field) == (reasons.REASON_INVALID_REQUEST, "columns.strike")
        wrong = {name: [HULL[name]] * 3 for name in HULL}
        wrong["time_years"] = [HULL["time_years"], -1.0, HULL["time_years"]]
        request = pricing_pb2.PriceOptionsRequest(columns=wrong)
        error = await refusal(served.stub.PriceOptions(request, metadata=READER))
        assert (error.reason, error.field) == (
            reasons.REASON_MODEL_DOMAIN,
            "columns.time_years[1]",
        )
        neither = pricing_pb2.PriceOptionsRequest()
        error = await refusal(served.stub.PriceOptions(neither, metadata=READER))
        assert error.reason == reasons.REASON_INVALID_REQUEST


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({}, "columns.right"),
        ({"spot": [1.0]}, "columns.spot"),
        *((without, f"columns.{without}") for without in ("volatility", "dividend_yield")),
    ],
)
async def test_a_column_that_is_left_out_is_named(tmp_path: Path, columns: Any, field: str) -> None:
    if isinstance(columns, str):
        columns = {name: [number] for name, number in HULL.items() if name != columns}
    async with serving(tmp_path) as served:
        request = pricing_pb2.PriceOptionsRequest(columns=columns)
        error = await refusal(served.stub.PriceOptions(request, metadata=READER))
    assert (error.reason, error.field) == (reasons.REASON_INVALID_REQUEST, field)


async def test_american_options_are_priced_among_european_ones(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        fields = {**HULL, "right": PUT, "strike": 50.0}
        styles = (instruments_pb2.EXERCISE_STYLE_AMERICAN, instruments_pb2.EXERCISE_STYLE_EUROPEAN)
        rows = [pricing_pb2.OptionInputs(**fields, exercise_style=styles[i % 2]) for i in range(4)]
        many = await served.stub.PriceOptions(
            pricing_pb2.PriceOptionsRequest(options=rows), metadata=READER
        )
        one = await served.stub.PriceOption(
            pricing_pb2.PriceOptionRequest(option=rows[0]), metadata=READER
        )
    found = american.price(registry.stack(*twin_inputs(fields)), rows=6).values[:, 0]
    for index in (0, 2):
        values = [getattr(many.values[index], name) for name in ("value", *GREEKS)]
        assert values == pytest.approx(found.tolist(), rel=1e-9)
    assert one.value == many.values[0]
    assert many.values[0].value > many.values[1].value
    european = float(twin.value("black_scholes", twin_inputs(fields)))
    assert many.values[1].value == many.values[3].value == pytest.approx(european, rel=1e-12)


async def test_the_american_option_at_fault_is_named_at_its_place(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        style = instruments_pb2.EXERCISE_STYLE_AMERICAN
        changes = [{}, {"exercise_style": style}, {"exercise_style": style, "volatility": 500.0}]
        options = [pricing_pb2.OptionInputs(**{**HULL, **change}) for change in changes]
        request = pricing_pb2.PriceOptionsRequest(options=options)
        error = await refusal(served.stub.PriceOptions(request, metadata=READER))
        assert (error.reason, error.field) == (
            reasons.REASON_MODEL_DOMAIN,
            "options[2].volatility",
        )


async def test_too_many_large_batches_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, inline_options=1, batch_queue=1) as served:
        columns = pricing_pb2.OptionInputColumns(**{name: [HULL[name]] * 50_000 for name in HULL})
        request = pricing_pb2.PriceOptionsRequest(columns=columns)
        calls = [served.stub.PriceOptions(request, metadata=READER) for _ in range(10)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        answers = [item for item in outcomes if not isinstance(item, BaseException)]
        refused = [from_rpc_error(item) for item in outcomes if isinstance(item, grpc.RpcError)]
        assert answers
        assert len(answers) + len(refused) == 10
        assert {error.reason for error in refused} == {reasons.REASON_OVERLOADED}


async def test_a_chain_tells_its_contracts_and_then_its_values(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        stream = served.chain()
        first = await asyncio.wait_for(stream.read(), 10)
        assert {item.instrument_id for item in first.contracts} == {
            option.instrument_id for option in OPTIONS
        }
        assert first.header.units[0].instrument == "ACME@XSIM"
        served.quote(9_990, 10_010, sequence=5)
        values = await read_values(stream)
        assert (values.epoch, values.sequence, values.previous_sequence) == (3, 5, 0)
        spot = float(10_000 * ACME.price_unit)
        assert values.underlying_price == pytest.approx(spot, rel=1e-15)
        for index, contract in enumerate(first.contracts):
            option = REFERENCE.instrument(contract.instrument_id)
            time = (contract.expiry_time_ns - values.publish_time_ns) / YEAR_NS
            right = 1.0 if contract.right == CALL else -1.0
            inputs = (right, spot, float(contract.strike), time, option.volatility)
            inputs = (*inputs, option.rate, option.dividend_yield)
            due = float(twin.value("black_scholes", inputs))
            assert values.values.value[index] == pytest.approx(due, abs=1e-12)
            delta = float(twin.greek("black_scholes", "delta", inputs))
            assert values.values.delta[index] == pytest.approx(delta, abs=1e-12)
        served.quote(10_010, 10_030, sequence=6)
        values = await read_values(stream)
        assert (values.sequence, values.previous_sequence) == (6, 5)


async def test_american_options_of_a_chain_are_valued_as_such(tmp_path: Path) -> None:
    styles = ["american", "european", "american"]
    options = [
        replace(option, exercise_style=style)
        for option, style in zip(OPTIONS[-3:], styles, strict=True)
    ]
    pool = WorkerPool(1, 4)
    try:
        book = VolatilityBook(REFERENCE, tmp_path / "volatilities.json")
        chain = OptionChain(ACME, options, book, pool)
        assert await chain.snapshot(0) is None
        chain.on_quote(quote_rows(9_990, 10_010)[0])
        now_ns = options[0].expiry_ns - YEAR_NS
        first, second = await asyncio.gather(chain.snapshot(now_ns), chain.snapshot(now_ns))
        assert first is second
    finally:
        pool.close()
    assert first is not None
    spot = first.underlying.price
    for place, option in enumerate(chain.options):
        right = 1.0 if option.right == "call" else -1.0
        time = (option.expiry_ns - now_ns) / YEAR_NS
        strike = float(option.strike_units * option.price_unit)
        inputs = (right, spot, strike, time, option.volatility, option.rate, option.dividend_yield)
        due = float(twin.value("black_scholes", inputs))
        if option.exercise_style == "american":
            block = np.array(inputs).reshape(-1, 1)
            due = float(american.price(block, american.Accuracy.ACCURATE).values[0, 0])
        assert first.outputs[columns.VALUE, place] == pytest.approx(due, abs=1e-6 * strike)


async def test_ticks_are_conflated_to_the_pace_of_the_client(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        stream = served.chain(interval_ms=60_000)
        await asyncio.wait_for(stream.read(), 10)
        served.quote(9_990, 10_010, sequence=1)
        assert (await read_values(stream)).sequence == 1
        for sequence in range(2, 50):
            served.quote(9_990, 10_010 + sequence, sequence=sequence)
        # The clock of the service stands still, so the client's minute isn't over.
        pending = asyncio.ensure_future(stream.read())
        done, _ = await asyncio.wait({pending}, timeout=0.1)
        assert not done
        stream.cancel()
        other = served.chain()
        await asyncio.wait_for(other.read(), 10)
        assert (await read_values(other)).sequence == 49


async def test_a_client_that_stops_reading_gets_no_more_than_its_connection_holds(
    tmp_path: Path,
) -> None:
    count = 3_000
    # A connection of a fixed window: by itself gRPC gives a stream up to some megabytes.
    fixed = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]
    async with (
        serving(tmp_path) as served,
        grpc.aio.insecure_channel(served.address, options=fixed) as channel,
    ):
        other = Served(served.service, served.clock, served.address, stub_of(channel))
        slow, fast = other.chain(), served.chain()
        for stream in (slow, fast):
            await asyncio.wait_for(stream.read(), 10)
        for sequence in range(1, count + 1):
            served.quote(9_990, 10_010 + sequence % 7, sequence=sequence)
            while (values := await read_values(fast)).sequence < sequence:
                pass
            assert values.sequence == sequence
        # The other client has seen every state. This one sees what was under way and the newest.
        seen = [(await read_values(slow)).sequence]
        while seen[-1] < count:
            seen.append((await read_values(slow)).sequence)
        assert seen == sorted(set(seen))
        assert len(seen) < count / 4


async def test_one_sided_and_empty_quotes_fall_back_to_the_last_trade(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        stream = served.chain()
        await asyncio.wait_for(stream.read(), 10)
        served.quote(9_990, 0, sequence=1)
        served.quote(0, 0, sequence=2)
        served.quote(0, 10_010, sequence=3, last_price_units=10_000, last_quantity_units=5)
        values = await read_values(stream)
        assert values.sequence == 3
        assert values.underlying_price == pytest.approx(float(10_000 * ACME.price_unit))


async def test_a_chain_whose_underlying_falls_silent_is_marked_stale(tmp_path: Path) -> None:
    async with serving(tmp_path, stale_after_ms=50) as served:
        stream = served.chain()
        await asyncio.wait_for(stream.read(), 10)
        served.quote(9_990, 10_010, sequence=1)
        assert not (await read_values(stream)).stale
        served.clock.advance(60_000_000)
        values = await read_values(stream)
        assert values.stale
        assert (values.sequence, values.previous_sequence) == (1, 1)
        served.quote(9_990, 10_010, sequence=2)
        assert not (await read_values(stream)).stale


async def test_a_changed_volatility_reaches_the_chain_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        stream = served.chain(underlying="ACME@TCAP")
        first = await asyncio.wait_for(stream.read(), 10)
        served.quote(9_990, 10_010)
        before = await read_values(stream)
        option = first.contracts[0]
        request = pricing_pb2.SetVolatilityRequest(instrument=option.instrument, volatility=0.75)
        answer = await served.stub.SetVolatility(request, metadata=OPERATOR)
        assert answer.reference.revision == 1
        assert not answer.reference.inherited
        after = await read_values(stream)
        assert after.volatility[0] == 0.75
        assert list(after.volatility[1:]) == list(before.volatility[1:])
        assert after.values.value[0] > before.values.value[0]
        await served.stub.SetVolatility(
            pricing_pb2.SetVolatilityRequest(
                instrument="ACME@XSIM", volatility=0.5, interest_rate=0.0
            ),
            metadata=OPERATOR,
        )
        whole = await read_values(stream)
        # The option's own value stays; the others take the underlying's.
        assert whole.volatility[0] == 0.75
        assert set(whole.volatility[1:]) == {0.5}


async def test_volatilities_are_told_inherited_and_kept_over_a_restart(tmp_path: Path) -> None:
    name = OPTIONS[0].key
    ask = pricing_pb2.GetVolatilityRequest(instrument=name)
    async with serving(tmp_path) as served:
        found = (await served.stub.GetVolatility(ask, metadata=READER)).reference
        assert (found.volatility, found.revision) == (OPTIONS[0].volatility, 0)
        change = pricing_pb2.SetVolatilityRequest(instrument="ACME@XSIM", volatility=0.4)
        await served.stub.SetVolatility(change, metadata=OPERATOR)
        found = (await served.stub.GetVolatility(ask, metadata=READER)).reference
        assert (found.volatility, found.revision, found.inherited) == (0.4, 1, True)
        assert found.interest_rate == OPTIONS[0].rate
        assert found.update_time_ns == served.clock.now_ns()
    async with serving(tmp_path) as served:
        found = (await served.stub.GetVolatility(ask, metadata=READER)).reference
        assert (found.volatility, found.revision, found.inherited) == (0.4, 1, True)


async def test_what_cannot_be_set_or_followed_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        change = pricing_pb2.SetVolatilityRequest(instrument="ACME@XSIM", volatility=0.4)
        error = await refusal(served.stub.SetVolatility(change, metadata=READER))
        assert error.reason == reasons.REASON_PERMISSION_DENIED
        change.instrument = "NOSUCH@XSIM"
        error = await refusal(served.stub.SetVolatility(change, metadata=OPERATOR))
        assert (error.reason, error.field) == (reasons.REASON_UNKNOWN_INSTRUMENT, "instrument")
        change.instrument = "GLOBX@XSIM"
        error = await refusal(served.stub.SetVolatility(change, metadata=OPERATOR))
        assert error.reason == reasons.REASON_MODEL_DOMAIN
        error = await refusal(served.chain(underlying="GLOBX@XSIM").read())
        assert (error.reason, error.field) == (reasons.REASON_UNKNOWN_INSTRUMENT, "underlying")


@pytest.mark.parametrize("name", ["ACME", "ACME@TCAP", "ACME@XSIM", str(ACME.instrument_id)])
async def test_our_venues_instrument_stands_for_the_market_that_it_takes_its_flow_from(
    tmp_path: Path, name: str
) -> None:
    async with serving(tmp_path) as served:
        change = pricing_pb2.SetVolatilityRequest(instrument=name, volatility=0.4)
        answer = await served.stub.SetVolatility(change, metadata=OPERATOR)
        assert answer.reference.instrument == "ACME@XSIM"
        ask = pricing_pb2.GetVolatilityRequest(instrument=name)
        found = await served.stub.GetVolatility(ask, metadata=READER)
        assert found.reference == answer.reference
        stream = served.chain(underlying=name)
        first = await asyncio.wait_for(stream.read(), 10)
        assert len(first.contracts) == len(OPTIONS)
        assert first.header.units[0].instrument == "ACME@XSIM"


async def test_greeks_that_dont_exist_are_absent_or_nan(tmp_path: Path) -> None:
    at_the_strike = {**HULL, "strike": 42.0, "time_years": 0.0}
    expired = next(option for option in OPTIONS if option.exercise_style == "european")
    async with serving(tmp_path) as served:
        request = pricing_pb2.PriceOptionRequest(option=at_the_strike)
        value = (await served.stub.PriceOption(request, metadata=READER)).value
        assert not any(value.HasField(name) for name in GREEKS)
        columns = {name: [number] for name, number in at_the_strike.items()}
        batch = pricing_pb2.PriceOptionsRequest(columns=columns)
        found = (await served.stub.PriceOptions(batch, metadata=READER)).columns
        assert found.value[0] == 0.0
        assert all(math.isnan(getattr(found, name)[0]) for name in GREEKS)
        # A chain at the very moment of expiry, with its spot at a strike.
        now_ns = served.clock.now_ns()
        served.clock.advance(expired.expiry_ns - now_ns)
        units = int(expired.strike_units * expired.price_unit / ACME.price_unit)
        served.quote(units, units)
        stream = served.chain()
        first = await asyncio.wait_for(stream.read(), 10)
        place = [item.instrument for item in first.contracts].index(expired.key)
        values = await read_values(stream)
        assert values.values.value[place] == 0.0
        assert all(math.isnan(getattr(values.values, name)[place]) for name in GREEKS)


def test_a_damaged_file_of_volatilities_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "volatilities.json"
    for text in (
        "{",
        "[]",
        '{"version": 2, "settings": {}}',
        '{"version": 1, "settings": {"x": 1}}',
    ):
        path.write_text(text)
        with pytest.raises(ConfigurationError, match="holds no volatilities"):
            VolatilityBook(REFERENCE, path)


async def test_a_client_that_leaves_ends_its_stream(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        stream = served.chain()
        await asyncio.wait_for(stream.read(), 10)
        stream.cancel()
        await wait_until_async(stream.done, what="the stream to end")
        served.quote(9_990, 10_010)
        chain = served.service.chains[ACME.instrument_id]
        assert await chain.snapshot(served.clock.now_ns()) is not None
