"""TA-Lib as the independent reference for indicators."""

import numpy as np
import talib
from talib import abstract

TOLERANCE = 1e-9


def input_names(name):
    """Columns that TA-Lib's abstract interface feeds a function with, in order."""
    names = []
    for value in abstract.Function(name).input_names.values():
        names += value if isinstance(value, list | tuple) else [value]
    return tuple(names)


def compute(name, inputs, parameters):
    """TA-Lib's outputs as floats."""
    outputs = getattr(talib, name)(*inputs, **parameters)
    outputs = outputs if isinstance(outputs, tuple | list) else [outputs]
    return [np.asarray(output, float) for output in outputs]


def difference(found, due):
    """What is wrong with one output, or an empty text."""
    if found.shape != due.shape:
        return f"{found.shape} instead of {due.shape}"
    missing, due_missing = np.isnan(found), np.isnan(due)
    if (missing != due_missing).any():
        return f"NaN differs at {np.flatnonzero(missing != due_missing)[:5]}"
    with np.errstate(invalid="ignore"):
        near = np.abs(found - due) <= TOLERANCE * np.maximum(1.0, np.abs(due))
    wrong = ~(near | (found == due) | due_missing)
    if wrong.any():
        index = int(np.argmax(wrong))
        return f"{int(wrong.sum())} differ, first at {index}: {found[index]!r} not {due[index]!r}"
    return ""
