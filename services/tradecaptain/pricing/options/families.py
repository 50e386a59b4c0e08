"""What an option of each family is described by, in the terms of the contract.

The kernels' registry has the rows of each family; here is how they are called in a request, which
of them have defaults, and which a family doesn't use although its block has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.pricing.v1 import option_families_pb2 as contract
from tradecaptain.kernels.pricing import columns, registry
from tradecaptain.kernels.pricing.family import Family
from tradecaptain.pricing.options.american import BARRIER_KINDS
from tradecaptain.pricing.options.blocks import OUTPUT_ROWS

_PREFIX: Final = "OPTION_FAMILY_"
SPOT: Final = "spot"
STRIKE: Final = "strike"
AVERAGE_STRIKE: Final = "average_strike"
AMOUNT: Final = "amount"
AVERAGE: Final = "average"
ELAPSED: Final = "elapsed_years"
VARIANT: Final = "variant"

# Rows that requests call by another name.
_FIELDS: Final = {"forward": SPOT, "kind": VARIANT, "is_average_strike": AVERAGE_STRIKE}
# Numbers of terms that an option may do without; a name stands for what is given there. What the
# market tells (prices, rates, yields, volatilities, correlations) has no default.
_DEFAULTS: Final[Mapping[str, float | str]] = {
    "monitoring_count": 0.0,
    "extreme": SPOT,
    "fraction": 1.0,
    "fixing_count": 0.0,
    AVERAGE_STRIKE: 0.0,
    "volatility_slope": 0.0,
    AVERAGE: SPOT,
    ELAPSED: 0.0,
    "quantity": 1.0,
    "other_quantity": 1.0,
}
# Rows that a family's block has and its value doesn't depend on.
_UNUSED: Final[Mapping[str, tuple[str, ...]]] = {
    "asset_or_nothing": (AMOUNT,),
    "barrier_asset": (AMOUNT,),
    "touch_cash": ("right", STRIKE),
    "floating_lookback": (STRIKE,),
    "partial_floating_lookback": (STRIKE,),
    "partial_fixed_lookback": ("extreme",),
    "double_barrier": (AMOUNT,),
    "double_binary": ("right", STRIKE),
    "soft_barrier": (AMOUNT,),
    "two_asset_barrier": (AMOUNT,),
    "exchange": ("right", STRIKE),
    "chooser": ("right",),
    "forward_start": (STRIKE,),
}
# What a rebate is if none is given; elsewhere the amount is what is paid, and must be given.
_REBATES: Final = ("barrier_option", "monitored_barrier")
# Numbers of the kernels for the variants of each family that has some.
_VARIANTS: Final[Mapping[str, Mapping[int, float]]] = {
    "double_barrier": {
        contract.OPTION_VARIANT_KNOCK_IN: 0.0,
        contract.OPTION_VARIANT_KNOCK_OUT: 1.0,
    },
    "double_binary": {
        contract.OPTION_VARIANT_TOUCHED: 0.0,
        contract.OPTION_VARIANT_UNTOUCHED: 1.0,
        contract.OPTION_VARIANT_LOW_FIRST: 2.0,
        contract.OPTION_VARIANT_HIGH_FIRST: 3.0,
    },
    "two_asset_basket": {
        contract.OPTION_VARIANT_MINIMUM: 0.0,
        contract.OPTION_VARIANT_MAXIMUM: 1.0,
        contract.OPTION_VARIANT_SPREAD: 2.0,
        contract.OPTION_VARIANT_SPREAD_KIRK: 3.0,
    },
}
_RIGHTS: Final[Mapping[int, float]] = {
    instruments_pb2.OPTION_RIGHT_CALL: 1.0,
    instruments_pb2.OPTION_RIGHT_PUT: -1.0,
}


@dataclass(frozen=True)
class Terms:
    """One family in the terms of the contract."""

    name: str
    fields: tuple[str, ...]
    """Fields of a request in the order of the block's rows."""
    unused: frozenset[str]
    """Those that must not be given."""
    defaults: Mapping[str, float | str]
    choices: Mapping[str, Mapping[int, float]]
    """The kernels' number of each choice, for the fields that are enumerations."""
    depth: int
    has_exact_greeks: bool

    @property
    def taken(self) -> tuple[str, ...]:
        """Fields that may be given."""
        return tuple(field for field in self.fields if field not in self.unused)

    def is_required(self, field: str) -> bool:
        """Whether a field must be given."""
        return field not in self.defaults

    def field_of(self, row_name: str) -> str:
        """The field of a request that stands behind a name of the kernels' rules."""
        field = _FIELDS.get(row_name, row_name)
        if field in self.fields:
            return field
        # Rules are shared: some speak of another field of the same sort.
        for other in _KIN.get(field, ()):
            if other in self.fields:
                return other
        return field


_KIN: Final[Mapping[str, tuple[str, ...]]] = {
    "other_rate": ("other_yield",),
    "quantity": ("exchange_rate",),
    "fixing_count": ("monitoring_count",),
    "earlier_time_years": ("elapsed_years",),
}


def family_name(number: int) -> str:
    """The registry's name of a family of the contract."""
    return contract.OptionFamily.Name(number).removeprefix(_PREFIX).lower()  # type: ignore[arg-type]


@cache
def terms_of(number: int) -> Terms:
    """The terms of a family of the contract."""
    name = family_name(number)
    family = registry.FAMILIES[name]
    fields = tuple(_FIELDS.get(row, row) for row in family.inputs)
    defaults = {field: _DEFAULTS[field] for field in fields if field in _DEFAULTS}
    if name in _REBATES:
        defaults[AMOUNT] = 0.0
    choices: dict[str, Mapping[int, float]] = {"right": _RIGHTS, "other_right": _RIGHTS}
    choices |= {"barrier_kind": BARRIER_KINDS, VARIANT: _VARIANTS.get(name, {})}
    return Terms(
        name=name,
        fields=fields,
        unused=frozenset(_UNUSED.get(name, ())),
        defaults=defaults,
        choices={field: choices[field] for field in fields if field in choices},
        depth=max(family.depth, columns.GREEK_ROWS),
        has_exact_greeks=_has_greeks(family),
    )


def _has_greeks(family: Family) -> bool:
    return family.depth >= columns.GREEK_ROWS


def describe(number: int) -> contract.OptionFamilyDescription:
    """One family as the service tells it."""
    terms = terms_of(number)
    deepest = max(depth for depth, rows in OUTPUT_ROWS.items() if depth and rows <= terms.depth)
    return contract.OptionFamilyDescription(
        family=number,  # type: ignore[arg-type]
        inputs=[
            contract.OptionFamilyInput(field=field, required=terms.is_required(field))
            for field in terms.taken
        ],
        variants=list(terms.choices.get(VARIANT, ())),  # type: ignore[arg-type]
        depth=deepest,  # type: ignore[arg-type]
        exact_greeks=terms.has_exact_greeks,
    )


def all_families() -> list[int]:
    """Numbers of the families, in their order."""
    return sorted(number for number in contract.OptionFamily.values() if number)
