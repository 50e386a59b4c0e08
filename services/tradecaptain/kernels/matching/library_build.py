"""Building the engine's shared library: kernels to object code, to a library beside its header."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tradecaptain.base.native_library import link_library, linker, object_code
from tradecaptain.kernels.matching.library import ENTRIES
from tradecaptain.kernels.matching.library_header import HEADER_NAME, header_text

LIBRARY_NAME = "libtradecaptain_engine.so"


@dataclass(frozen=True, slots=True)
class BuiltLibrary:
    """The two files that a program is built with."""

    library: Path
    header: Path


def build_library(folder: Path, *, portable: bool = False) -> BuiltLibrary:
    """Write library and header into a folder; takes half a minute.

    A ``ConfigurationError`` says what to install when there is no linker; nothing is written then.
    """
    command = linker()
    code = object_code([function for function, _parameters in ENTRIES], portable=portable)
    folder.mkdir(parents=True, exist_ok=True)
    built = BuiltLibrary(folder / LIBRARY_NAME, folder / HEADER_NAME)
    link_library(code, built.library, command)
    built.header.write_text(header_text())
    return built
