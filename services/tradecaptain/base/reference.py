"""Reference data: which instruments and accounts exist.

``tradecaptain up`` writes the effective reference data into the run folder, and every part of the
mesh reads it from there. The file's format is that of ``base/data/reference.toml``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

from tradecaptain.base.accounts import Account
from tradecaptain.base.errors import ConfigurationError, TradeCaptainError
from tradecaptain.base.instruments import (
    OWN_VENUE_MIC,
    Instrument,
)
from tradecaptain.wire import reason as reasons


@dataclass
class Reference:
    """All instruments and accounts, each in ascending order of its id.

    Instruments are added while a mesh runs (:meth:`admit`); nothing that is there changes. Before
    an instrument is said to be unknown, ``look_again`` may admit what was added meanwhile.
    """

    instruments: tuple[Instrument, ...]
    accounts: tuple[Account, ...]
    look_again: Callable[[], object] = field(default=lambda: None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse ids, keys and names that occur twice, and references to nothing."""
        self._check()

    def _check(self) -> None:
        _refuse_duplicates("instrument id", [item.instrument_id for item in self.instruments])
        _refuse_duplicates("instrument", [item.key for item in self.instruments])
        _refuse_duplicates("account id", [item.account_id for item in self.accounts])
        _refuse_duplicates("account", [item.name for item in self.accounts])
        for instrument in self.instruments:
            for role, target in (
                ("mirror_of", instrument.mirror_of),
                ("underlying", instrument.underlying_id),
            ):
                if target and target not in self._instrument_by_id:
                    raise ConfigurationError(
                        f"{instrument.key}.{role} must name an instrument, and {target} is none",
                        field=role,
                    )

    @cached_property
    def _instrument_by_id(self) -> dict[int, Instrument]:
        return {item.instrument_id: item for item in self.instruments}

    @cached_property
    def _instrument_by_key(self) -> dict[str, Instrument]:
        return {item.key: item for item in self.instruments}

    @cached_property
    def _account_by_id(self) -> dict[int, Account]:
        return {item.account_id: item for item in self.accounts}

    def instrument(self, instrument_id: int) -> Instrument:
        """The instrument of an id; ``REASON_UNKNOWN_INSTRUMENT`` if there is none."""
        if instrument_id not in self._instrument_by_id:
            self.look_again()
        try:
            return self._instrument_by_id[instrument_id]
        except KeyError:
            raise TradeCaptainError(
                reasons.REASON_UNKNOWN_INSTRUMENT,
                f"there is no instrument with id {instrument_id}",
                observed=instrument_id,
            ) from None

    def by_symbol(self, symbol: str) -> Instrument:
        """The instrument called ``AMZN@XNAS``; ``AMZN`` alone means our own venue's."""
        key = symbol if "@" in symbol else f"{symbol}@{OWN_VENUE_MIC}"
        if key not in self._instrument_by_key:
            self.look_again()
        try:
            return self._instrument_by_key[key]
        except KeyError:
            raise TradeCaptainError(
                reasons.REASON_UNKNOWN_INSTRUMENT,
                f"there is no instrument {symbol}",
                observed=symbol,
            ) from None

    def named(self, text: str) -> Instrument:
        """The instrument that a request names: by its key, or by its id written in decimal."""
        if text.isascii() and text.isdigit():
            return self.instrument(int(text))
        return self.by_symbol(text)

    def account(self, account_id: int) -> Account:
        """The account of an id; ``REASON_UNKNOWN_ACCOUNT`` if there is none."""
        try:
            return self._account_by_id[account_id]
        except KeyError:
            raise TradeCaptainError(
                reasons.REASON_UNKNOWN_ACCOUNT,
                f"there is no account with id {account_id}",
                observed=account_id,
            ) from None

    def account_by_name(self, name: str) -> Account:
        """The account of a name; ``REASON_UNKNOWN_ACCOUNT`` if there is none."""
        for account in self.accounts:
            if account.name == name:
                return account
        raise TradeCaptainError(
            reasons.REASON_UNKNOWN_ACCOUNT, f"there is no account {name}", observed=name
        )

    def own_venue(self) -> tuple[Instrument, ...]:
        """Every instrument that clients may trade, options included."""
        return tuple(item for item in self.instruments if item.is_tradable)

    def mirrors(self) -> tuple[Instrument, ...]:
        """Every instrument whose market data comes from a source outside."""
        return tuple(item for item in self.instruments if item.source)

    def own_venue_of(self, mirror_id: int) -> Instrument | None:
        """Our own venue's instrument in which a mirrored instrument's flow is replayed."""
        for instrument in self.instruments:
            if instrument.mirror_of == mirror_id:
                return instrument
        return None

    def options_on(self, underlying_id: int) -> tuple[Instrument, ...]:
        """The option chain of an underlying instrument."""
        return tuple(item for item in self.instruments if item.underlying_id == underlying_id)

    def admit(self, added: Iterable[Instrument]) -> None:
        """Take instruments in, for everyone who holds this reference data."""
        before = self.instruments
        together = (*before, *added)
        self.instruments = tuple(sorted(together, key=lambda item: item.instrument_id))
        self._forget_indexes()
        try:
            self._check()
        except ConfigurationError:
            self.instruments = before
            self._forget_indexes()
            raise

    def withdraw(self, instrument_id: int) -> None:
        """Take back an instrument that was admitted and never traded."""
        self.instruments = tuple(
            item for item in self.instruments if item.instrument_id != instrument_id
        )
        self._forget_indexes()

    def _forget_indexes(self) -> None:
        for name in ("_instrument_by_id", "_instrument_by_key"):
            self.__dict__.pop(name, None)

    def with_instruments(self, added: Iterable[Instrument]) -> Reference:
        """Return this reference data with instruments added."""
        together = (*self.instruments, *added)
        return Reference(
            tuple(sorted(together, key=lambda item: item.instrument_id)), self.accounts
        )


def _refuse_duplicates(what: str, values: list[int] | list[str]) -> None:
    seen: set[int | str] = set()
    for value in values:
        if value in seen:
            raise ConfigurationError(f"{what} {value} must occur once, and occurs twice")
        seen.add(value)
