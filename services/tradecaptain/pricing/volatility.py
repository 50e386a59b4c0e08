"""Volatilities and rates in use: reference data that operators change while the service runs.

An option's own setting comes first, then its underlying's, then what the instrument file says. The
settings survive a restart in one file of the run folder.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson
from tradecaptain.base.errors import ConfigurationError, TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.wire import reason as reasons

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Setting:
    """Annual volatility and continuous annual rates, and when they were set."""

    volatility: float
    interest_rate: float
    dividend_yield: float
    revision: int = 0
    update_time_ns: int = 0


@dataclass(frozen=True, slots=True)
class Resolved:
    """What an instrument is priced with; ``inherited`` if it is the underlying's setting."""

    setting: Setting
    inherited: bool


class VolatilityBook:
    """All settings by instrument id; used by the loop thread only."""

    def __init__(self, reference: Reference, path: Path) -> None:
        """Read the settings kept in ``path``, if it is there."""
        self._reference = reference
        self._path = path
        self._settings: dict[int, Setting] = {}
        self.revision = 0
        if path.exists():
            self._load()

    def _load(self) -> None:
        try:
            document = orjson.loads(self._path.read_bytes())
            if document["version"] != VERSION:
                raise ValueError(f"version {document['version']} is not {VERSION}")
            settings = {
                int(name): Setting(**fields) for name, fields in document["settings"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"{self._path} holds no volatilities ({error}): mend or delete it",
                field="volatility",
            ) from error
        self._settings = settings
        self.revision = max((setting.revision for setting in settings.values()), default=0)

    def _save(self) -> None:
        document = {
            "version": VERSION,
            "settings": {str(name): asdict(value) for name, value in self._settings.items()},
        }
        draft = self._path.with_suffix(".new")
        draft.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        draft.replace(self._path)

    def resolve(self, instrument: Instrument) -> Resolved:
        """What to price an option with, or what an underlying's options inherit."""
        own = self._settings.get(instrument.instrument_id)
        if own is not None:
            return Resolved(own, inherited=False)
        underlying = self._settings.get(instrument.underlying_id)
        if underlying is not None:
            return Resolved(underlying, inherited=True)
        if not instrument.underlying_id:
            raise TradeCaptainError(
                reasons.REASON_MODEL_DOMAIN,
                f"no volatility is set for {instrument.key}: its options have their own",
                field="instrument",
            )
        baseline = Setting(instrument.volatility, instrument.rate, instrument.dividend_yield)
        return Resolved(baseline, inherited=False)

    def set(
        self,
        instrument: Instrument,
        volatility: float,
        interest_rate: float | None,
        dividend_yield: float | None,
        now_ns: int,
    ) -> Resolved:
        """Give an option, or all options on an underlying without their own, new values."""
        before = self._baseline(instrument)
        self.revision += 1
        self._settings[instrument.instrument_id] = Setting(
            volatility,
            before.interest_rate if interest_rate is None else interest_rate,
            before.dividend_yield if dividend_yield is None else dividend_yield,
            self.revision,
            now_ns,
        )
        self._save()
        return self.resolve(instrument)

    def _baseline(self, instrument: Instrument) -> Setting:
        """The values in use now; for an underlying without a setting, its first option's."""
        if instrument.underlying_id or instrument.instrument_id in self._settings:
            return self.resolve(instrument).setting
        options = self._reference.options_on(instrument.instrument_id)
        if not options:
            raise TradeCaptainError(
                reasons.REASON_MODEL_DOMAIN,
                f"{instrument.key} is no option, and there are no options on it",
                field="instrument",
            )
        first = options[0]
        return Setting(first.volatility, first.rate, first.dividend_yield)
