"""Options of any families: rows of a request, sorted by family into blocks and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.api.pricing.v1 import option_families_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.kernels.pricing import bumps, columns, registry, status
from tradecaptain.kernels.pricing.family import Outcome
from tradecaptain.kernels.pricing.family_rules import rule_of
from tradecaptain.pricing.batch import erase_undefined, value_of
from tradecaptain.pricing.options.blocks import OUTPUT_ROWS, is_priced
from tradecaptain.pricing.options.families import (
    AVERAGE,
    AVERAGE_STRIKE,
    ELAPSED,
    SPOT,
    STRIKE,
    Terms,
    all_families,
    describe,
    terms_of,
)
from tradecaptain.pricing.refusals import invalid, outside_domain
from tradecaptain.pricing.worker_pool import Steps

FloatArray = npt.NDArray[np.float64]

# Options of a family that are priced between two looks at who else waits.
_PIECE: Final = 512
_PIECES: Final = {"arithmetic_asian": 2, "american": 64, "two_asset_basket": 64}
# Greeks by differences take this many values.
_BUMP_COST: Final = 17
_FAMILY: Final = "family"


def list_families(
    request: option_families_pb2.ListOptionFamiliesRequest,
) -> option_families_pb2.ListOptionFamiliesResponse:
    """What an option of each family is described by."""
    return option_families_pb2.ListOptionFamiliesResponse(
        families=[describe(number) for number in all_families()]
    )


def price_exotics(
    request: option_families_pb2.PriceExoticOptionsRequest,
) -> Steps[option_families_pb2.PriceExoticOptionsResponse]:
    """Answer a request for options of any families; one that can't be priced refuses the call."""
    rows = OUTPUT_ROWS[request.depth]
    options = list(request.options)
    places: dict[int, list[int]] = {}
    for index, option in enumerate(options):
        places.setdefault(option.family, []).append(index)
    values: list[Any] = [None] * len(options)
    for number, indices in places.items():
        terms = terms_of(number)
        if rows > terms.depth:
            raise invalid("depth", f"{terms.name} has {terms.depth} outputs", limit=terms.depth)
        piece = _PIECES.get(terms.name, _PIECE)
        if rows > 1 and not terms.has_exact_greeks:
            piece = max(1, piece // _BUMP_COST)
        for start in range(0, len(indices), piece):
            part = indices[start : start + piece]
            block = np.array([_inputs_of(options[i], terms, f"options[{i}]") for i in part]).T
            outcome = _evaluate(terms, np.ascontiguousarray(block), rows)
            _refuse_unpriced(outcome, block, terms, part)
            for column, index in enumerate(part):
                values[index] = _value_message(outcome, column)
            yield
    return option_families_pb2.PriceExoticOptionsResponse(values=values)


def _inputs_of(option: option_families_pb2.ExoticOption, terms: Terms, place: str) -> list[float]:
    """The numbers of one option's column; refuses what is missing or doesn't belong."""
    given = {field.name: value for field, value in option.ListFields()}
    del given[_FAMILY]
    for name in given:
        if name not in terms.taken:
            taken = ", ".join(terms.taken)
            raise invalid(f"{place}.{name}", f"{terms.name} takes no {name}, but {taken}")
    if given.get(ELAPSED) and AVERAGE not in given:
        raise invalid(f"{place}.{AVERAGE}", f"{terms.name} needs average once averaging has begun")
    return [_number(field, given, terms, place) for field in terms.fields]


def _number(field: str, given: dict[str, Any], terms: Terms, place: str) -> float:
    if field in terms.unused:
        return _filler(field, given)
    if field in given:
        value = given[field]
        choices = terms.choices.get(field)
        if choices is None:
            return float(value)
        if value in choices:
            return choices[value]
        raise invalid(f"{place}.{field}", f"{terms.name} has no such {field}", observed=value)
    if field == STRIKE and given.get(AVERAGE_STRIKE):
        return _filler(field, given)
    if terms.is_required(field):
        raise invalid(f"{place}.{field}", f"{terms.name} needs {field}")
    default = terms.defaults[field]
    return float(given.get(default, 0.0)) if isinstance(default, str) else default


def _filler(field: str, given: dict[str, Any]) -> float:
    """A valid number for a row that isn't used."""
    if field in (STRIKE, "extreme"):
        return float(given.get(SPOT, 1.0))
    return 1.0


def _evaluate(terms: Terms, block: FloatArray, rows: int) -> Outcome:
    if rows > 1 and not terms.has_exact_greeks:
        return bumps.bumped_greeks(terms.name, block)
    outcome = registry.evaluate(terms.name, block, rows if terms.has_exact_greeks else 1)
    erase_undefined(outcome.outputs, outcome.status)
    return outcome


def _refuse_unpriced(
    outcome: Outcome, block: FloatArray, terms: Terms, part: Sequence[int]
) -> None:
    wrong = np.flatnonzero(~is_priced(outcome.status))
    if not wrong.size:
        return
    column = int(wrong[0])
    name, rule = rule_of(terms.name, int(outcome.status[column]))
    place = f"options[{part[column]}]"
    raise _refusal(place, name, rule, terms, block[:, column])


def _refusal(
    place: str, name: str, rule: str, terms: Terms, inputs: FloatArray
) -> TradeCaptainError:
    if not name:
        return outside_domain(place, rule)
    field = terms.field_of(name)
    observed = float(inputs[terms.fields.index(field)]) if field in terms.fields else None
    return outside_domain(f"{place}.{field}", f"{terms.name}: {rule}", observed)


def _value_message(outcome: Outcome, column: int) -> option_families_pb2.ExoticOptionValue:
    message = option_families_pb2.ExoticOptionValue(
        value=value_of(outcome.outputs[: columns.GREEK_ROWS], column),
        greeks_undefined=bool(outcome.status[column] == status.GREEKS_UNDEFINED),
    )
    higher = outcome.outputs[columns.GREEK_ROWS :, column].tolist()
    for name, number in zip(columns.OUTPUT_NAMES[columns.GREEK_ROWS :], higher, strict=False):
        if number == number:
            setattr(message.higher_greeks, name, number)
    return message
