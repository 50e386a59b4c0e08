"""Reference data: the packaged file, its rules, and what is said when one is broken."""

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from tradecaptain.base.accounts import UNLIMITED_UNITS
from tradecaptain.base.errors import ConfigurationError, TradeCaptainError
from tradecaptain.base.instruments import InstrumentType
from tradecaptain.base.reference import Reference
from tradecaptain.base.reference_file import default_reference, dump_reference, load_reference
from tradecaptain.wire import reason

NOW_NS = 1_750_000_000_000_000_000

SMALL = """
[[calendar]]
name = "always_open"
timezone = "UTC"
open = 00:00:00
close = 23:59:59
weekdays = [1, 2, 3, 4, 5, 6, 7]
holidays = []

[[instrument]]
id = 7
symbol = "GOLD"
mic = "TCAP"
name = "Gold"
type = "future"
price_unit = "1/256"
quantity_unit = "1"
tick_tables = [
    { effective_from = 2020-01-01, bands = [{ from = "0", increment = "0.5" }] },
    { effective_from = 2030-01-01, bands = [
        { from = "-10", increment = "0.00390625" }, { from = "100", increment = "1" } ] },
]
lot = "2"
minimum_order = "4"
maximum_order = "100"
minimum_price = "-10"
maximum_price = "1000"
currency = "USD"
settlement_currency = "EUR"
calendar = "always_open"

[[account]]
id = 9
name = "desk"
firm_id = 3
firm = "Desk"
[account.limits]
order_quantity = "50"
order_notional = "1000.5"
open_orders = 5
[account.overrides."GOLD@TCAP"]
order_quantity = "20"
"""


@pytest.fixture
def small(tmp_path: Path) -> Reference:
    path = tmp_path / "reference.toml"
    path.write_text(SMALL)
    return load_reference(path)


@pytest.fixture(scope="module")
def packaged() -> Reference:
    return default_reference()


def refused(tmp_path: Path, old: str, new: str) -> str:
    """Load SMALL with one change and return the refusal."""
    assert old in SMALL
    path = tmp_path / "reference.toml"
    path.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as caught:
        load_reference(path)
    return caught.value.message


def test_the_packaged_data_survives_being_written_and_read(
    packaged: Reference, tmp_path: Path
) -> None:
    dump_reference(packaged, tmp_path / "out.toml")
    assert load_reference(tmp_path / "out.toml") == packaged


def test_small_data_survives_being_written_and_read(small: Reference, tmp_path: Path) -> None:
    dump_reference(small, tmp_path / "out.toml")
    assert load_reference(tmp_path / "out.toml") == small


def test_a_mirror_and_our_own_instrument_share_units_but_not_identity(packaged: Reference) -> None:
    for own in packaged.own_venue():
        if not own.mirror_of:
            continue
        mirror = packaged.instrument(own.mirror_of)
        assert (own.price_unit, own.quantity_unit) == (mirror.price_unit, mirror.quantity_unit)
        assert own.symbol == mirror.symbol
        assert own.mic != mirror.mic
        assert own.source == ""
        assert packaged.own_venue_of(mirror.instrument_id) == own
    assert all(mirror.source for mirror in packaged.mirrors())


def test_the_option_chain_is_complete(packaged: Reference) -> None:
    underlying = packaged.by_symbol("ACME@XSIM")
    chain = packaged.options_on(underlying.instrument_id)
    assert len(chain) == 20
    assert {item.type for item in chain} == {InstrumentType.OPTION}
    assert {item.right for item in chain} == {"call", "put"}
    assert all(item.expiry_ns > 0 and item.strike_units > 0 for item in chain)
    assert len({(item.expiry, item.strike_units, item.right) for item in chain}) == 20


def test_every_market_that_a_recording_replays_has_options(packaged: Reference) -> None:
    recorded = [item for item in packaged.mirrors() if item.source != "simulator"]
    assert len(recorded) == 3
    for underlying in recorded:
        chain = packaged.options_on(underlying.instrument_id)
        assert len(chain) == 10
        assert {item.currency for item in chain} == {underlying.currency}


def test_lookups_find_or_refuse_with_a_typed_error(packaged: Reference) -> None:
    assert packaged.by_symbol("AMZN").key == "AMZN@TCAP"
    assert packaged.by_symbol("AMZN@XNAS").instrument_id == 11
    assert packaged.account_by_name("alpha").account_id == 100
    for look in (lambda: packaged.instrument(999_999), lambda: packaged.by_symbol("NONE")):
        with pytest.raises(TradeCaptainError) as caught:
            look()
        assert caught.value.reason == reason.REASON_UNKNOWN_INSTRUMENT
    for look in (lambda: packaged.account(5), lambda: packaged.account_by_name("nobody")):
        with pytest.raises(TradeCaptainError) as caught:
            look()
        assert caught.value.reason == reason.REASON_UNKNOWN_ACCOUNT


def test_order_increments_change_by_date_and_by_price(small: Reference) -> None:
    gold = small.by_symbol("GOLD")
    after_2030_ns = 2_000_000_000_000_000_000
    assert gold.increment_at(256, 0) == 128
    assert gold.increment_at(256, NOW_NS) == 128
    assert gold.increment_at(256, after_2030_ns) == 1
    assert gold.increment_at(100 * 256, after_2030_ns) == 256
    assert gold.parse_order_price("99.00390625", after_2030_ns) == 25_345
    with pytest.raises(TradeCaptainError, match=r"off the order increment 0\.5") as caught:
        gold.parse_order_price("99.00390625", NOW_NS)
    assert caught.value.reason == reason.REASON_INVALID_PRICE


def test_negative_prices_are_legal_where_the_instrument_says_so(small: Reference) -> None:
    gold = small.by_symbol("GOLD")
    assert gold.parse_order_price("-9.5", NOW_NS) == -2432
    with pytest.raises(TradeCaptainError) as caught:
        gold.parse_order_price("-10.5", NOW_NS)
    assert caught.value.reason == reason.REASON_PRICE_OUT_OF_RANGE


def test_a_trade_may_lie_off_the_order_increments(small: Reference) -> None:
    assert small.by_symbol("GOLD").price.parse("99.00390625") == 25_345


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0", "must be positive"),
        ("-2", "must be positive"),
        ("5", "isn't a multiple of the lot 2"),
        ("2", "below the minimum 4"),
        ("102", "above the maximum 100"),
        ("4.5", "isn't a whole count"),
    ],
)
def test_a_bad_quantity_is_refused(small: Reference, text: str, why: str) -> None:
    with pytest.raises(TradeCaptainError, match=re.escape(why)) as caught:
        small.by_symbol("GOLD").parse_order_quantity(text)
    assert caught.value.reason == reason.REASON_INVALID_QUANTITY
    assert caught.value.field == "quantity"


def test_limits_come_in_the_units_of_the_instrument(small: Reference) -> None:
    limits = small.account(9).limits_for(small.by_symbol("GOLD"))
    assert limits.order_quantity == 20
    assert limits.order_notional == 1_000_500_000
    assert limits.open_orders == 5
    assert limits.position_long is None
    assert limits.price_collar_bps is None


def test_replayed_flow_is_bound_by_nothing_and_says_so(packaged: Reference) -> None:
    limits = packaged.account_by_name("replay").limits_for(packaged.by_symbol("AMZN"))
    assert limits.order_quantity == limits.price_collar_bps == UNLIMITED_UNITS


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("id = 7", "id = 0", "instrument[0].id must lie in 1"),
        ("id = 7", 'id = "7"', "instrument[0].id must be a whole number"),
        ("id = 7", "id = true", "instrument[0].id must be a whole number"),
        ('symbol = "GOLD"', 'symbol = "gold bar"', "instrument[0].symbol must match"),
        ('type = "future"', 'type = "futur"', "instrument[0].type must be one of equity"),
        ('price_unit = "1/256"', "price_unit = 0.01", "must be exact and in quotes"),
        ('price_unit = "1/256"', 'price_unit = "1/3"', "instrument[0].price_unit must be a unit"),
        ('price_unit = "1/256"', 'price_unit = "0"', "instrument[0].price_unit must be a unit"),
        ('lot = "2"', 'lot = "0"', "instrument[0].lot must be positive"),
        ('lot = "2"', 'lot = "3"', "minimum_order must be a multiple of lot"),
        ('lot = "2"', 'lots = "2"', "instrument[0].lot must be set"),
        ('name = "Gold"', 'name = "Gold"\nnick = "x"', "instrument[0].nick is not a known key"),
        ('minimum_price = "-10"', 'minimum_price = "2000"', "maximum_price must not be below"),
        ('minimum_order = "4"', 'minimum_order = "200"', "maximum_order must not be below"),
        ('maximum_order = "100"', 'maximum_order = "99999999999999998"', "must fit 64 bits"),
        ('maximum_price = "1000"', 'maximum_price = "0.001"', "maximum_price must be a decimal"),
        ('calendar = "always_open"', 'calendar = "never"', "calendar must name a [[calendar]]"),
        ('timezone = "UTC"', 'timezone = "Mars/Base"', "calendar[0].timezone must be an IANA"),
        ("weekdays = [1, 2, 3, 4, 5, 6, 7]", "weekdays = [0]", "calendar[0].weekdays must be ISO"),
        ("close = 23:59:59", "close = 00:00:00", "calendar[0].close must be later"),
        ("effective_from = 2030-01-01", "effective_from = 2010-01-01", "must be a list that asc"),
        ('from = "100"', 'from = "-20"', "tick_tables[1].bands must be a list that ascends"),
        ('increment = "0.5"', 'increment = "0"', "bands[0].increment must be positive"),
        ('name = "desk"', 'name = "The Desk"', "account[0].name must match"),
        ('order_quantity = "50"', 'order_quantity = "-1"', "order_quantity must not be negative"),
        ('order_quantity = "50"', "order_quantity = 50", "must be exact and in quotes"),
        ("open_orders = 5", "open_orders = -5", "open_orders must lie in 0"),
        ("open_orders = 5", "open_order = 5", "open_order is not a known key"),
        ("[[account]]", "[odd]\n[[account]]", "odd is not a known key"),
        ("id = 7", "id = = 7", "isn't TOML"),
    ],
)
def test_a_broken_rule_is_named_with_its_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in refused(tmp_path, old, new)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such file"):
        load_reference(tmp_path / "none.toml")


def test_ids_and_keys_occur_once(packaged: Reference) -> None:
    amzn = packaged.by_symbol("AMZN")
    with pytest.raises(ConfigurationError, match="instrument id 1011 must occur once"):
        packaged.with_instruments([amzn])
    with pytest.raises(ConfigurationError, match="instrument AMZN@TCAP must occur once"):
        packaged.with_instruments([replace(amzn, instrument_id=77)])


def test_what_an_instrument_refers_to_must_exist(packaged: Reference) -> None:
    orphan = replace(packaged.by_symbol("AMZN"), instrument_id=77, symbol="NEW", mirror_of=76)
    with pytest.raises(ConfigurationError, match="mirror_of must name an instrument"):
        packaged.with_instruments([orphan])


def test_units_are_exact(small: Reference) -> None:
    assert small.by_symbol("GOLD").price_unit == Fraction(1, 256)
