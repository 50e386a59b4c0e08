"""Answers whose modules, with the kernels that they import, are loaded when first asked for.

The service starts with the kernels of live chains alone. What it loads later it loads on a thread
of the pool, so that nobody else waits for it.
"""

from __future__ import annotations

import importlib
from typing import Any, ClassVar


class Later:
    """A function of one request by the name of its module and its own: ``package.module:name``."""

    _loaded: ClassVar[set[str]] = set()

    def __init__(self, place: str) -> None:
        self._module, _, self._name = place.partition(":")

    @property
    def is_loaded(self) -> bool:
        """Whether a call would load nothing, nor wait for another that loads."""
        return self._module in self._loaded

    def load(self, request: Any = None) -> Any:
        """The function itself."""
        function = getattr(importlib.import_module(self._module), self._name)
        self._loaded.add(self._module)
        return function

    def __call__(self, request: Any) -> Any:
        """Answer a request."""
        return self.load()(request)
