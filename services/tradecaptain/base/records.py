"""Records at an address, for kernels: an array without a length and without a reference count.

Passing numpy arrays between compiled functions costs seven words and two calls of the reference
counter an array; on a path of a few hundred nanoseconds that is most of the time. What
:func:`records_at` gives is one word. It is indexed as an array of records is
(``records[index]["field"]``), for reading and writing; nothing checks the index, and the caller
keeps the memory alive.
"""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import from_dtype, types
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model


class RecordsType(types.Type):  # type: ignore[misc]
    """Type of an address at which records of one dtype lie."""

    def __init__(self, record: Any) -> None:
        self.record = record
        super().__init__(name=f"Records({record})")


@register_model(RecordsType)
class _RecordsModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: RecordsType) -> None:
        word = manager[types.int64].get_value_type()
        super().__init__(manager, kind, word)


def records_at(address: int, count: int, dtype: npt.DTypeLike) -> Any:
    """The ``count`` records of ``dtype``, a constant of the calling module, at ``address``."""
    item = np.dtype(dtype)
    memory = (ctypes.c_char * (int(count) * item.itemsize)).from_address(int(address))
    return np.frombuffer(memory, dtype=item)


@intrinsic
def _records_from(typing_context: Any, address: Any, dtype: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return arguments[0]

    record = dtype.dtype if isinstance(dtype, types.DType) else from_dtype(np.dtype(dtype))
    return RecordsType(record)(types.int64, dtype), codegen


@overload(records_at, strict=False)
def _records_at_overload(address: Any, count: Any, dtype: Any) -> Callable[..., Any]:
    return lambda address, count, dtype: _records_from(address, dtype)


@intrinsic
def _record(typing_context: Any, records: Any, index: Any) -> Any:
    size = records.record.size

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = context.get_value_type(types.int64)
        index_word = context.cast(builder, arguments[1], signature.args[1], types.int64)
        place = builder.add(arguments[0], builder.mul(index_word, word(size)))
        return builder.inttoptr(place, context.get_value_type(signature.return_type))

    return records.record(records, index), codegen


@overload(operator.getitem, strict=False)
def _records_getitem(records: Any, index: Any) -> Callable[..., Any] | None:
    if isinstance(records, RecordsType) and isinstance(index, types.Integer):
        return lambda records, index: _record(records, index)
    return None
