"""The frame: where a store's arrays lie, so that a kernel gets all of them as one address.

Handing eight arrays to a kernel costs Python a microsecond or two, more than most kernels need.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.memory import address_of

AT_FILE: Final = 0
AT_WORK: Final = 1
AT_REQUESTS: Final = 2
AT_BUCKETS: Final = 3
AT_ACCOUNTS: Final = 4
AT_INSTRUMENTS: Final = 5
AT_EVENTS: Final = 6
AT_PUBLICATION: Final = 7
AT_TEXTS: Final = 8
AT_PLAN: Final = 9
_COUNT: Final = 10


class Frame:
    """Address and length of each array, in the shape that :func:`mesh.agent.frame_array` reads."""

    def __init__(self) -> None:
        self._pairs = np.zeros((_COUNT, 2), dtype=np.int64)
        self._arrays: dict[int, npt.NDArray[Any]] = {}
        self.address = address_of(self._pairs)

    def set(self, index: int, array: npt.NDArray[Any]) -> None:
        """Put an array into its place, and keep it alive."""
        self._arrays[index] = array
        self._pairs[index] = (address_of(array), len(array))
