"""Files as bounded streams of decompressed text, opened by what they contain.

A path may be plain, gzip, xz or a zip with several members; each member is one :class:`Source`.
Nothing is unpacked as a whole: a :class:`TextWindow` holds a few megabytes at a time, and the total
is bounded by a ratio to the compressed size, so that an archive bomb ends with a typed error.
"""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from tradecaptain.base.bounded_file import stat_regular
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.wire import reason

EXPANSION_RATIO_MAX = 400
EXPANSION_FREE_BYTES = 64 << 20
ZIP_MEMBER_COUNT_MAX = 1024
WINDOW_BYTES = 4 << 20
# So much is read at a time, that what is parsed next lies in the processor's caches. Only a line
# that is longer takes up more of a window.
READ_BYTES = 768 << 10
HEAD_BYTES = 64 << 10

_ZIP_MAGIC = b"PK\x03\x04"
_GZIP_MAGIC = b"\x1f\x8b"
_XZ_MAGIC = b"\xfd7zXZ\x00"


def file_error(number: int, name: str, detail: str) -> TradeCaptainError:
    """A typed error about a file, with its name in the message."""
    return TradeCaptainError(number, f"{name}: {detail}", field="file")


@contextmanager
def typed_read_errors(name: str) -> Iterator[None]:
    """Turn what the decompressors and the file system raise into typed errors."""
    try:
        yield
    except EOFError as error:
        raise file_error(reason.REASON_TRUNCATED_FILE, name, "the file ends too early") from error
    except (zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile) as error:
        detail = f"the archive is damaged ({error})"
        raise file_error(reason.REASON_MALFORMED_FILE, name, detail) from error
    except (NotImplementedError, RuntimeError) as error:
        detail = f"the archive can't be read ({error})"
        raise file_error(reason.REASON_UNRECOGNISED_FILE, name, detail) from error
    except OSError as error:
        detail = error.strerror or str(error)
        raise file_error(reason.REASON_UNRECOGNISED_FILE, name, detail) from error


@dataclass(frozen=True, slots=True)
class Source:
    """One stream of bytes: a file, or a member of an archive."""

    name: str
    path: Path
    compressed_bytes: int
    opener: Callable[[], BinaryIO]

    def head(self) -> bytes:
        """The first bytes, enough to recognise the content."""
        with typed_read_errors(self.name), self.opener() as stream:
            return stream.read(HEAD_BYTES)


class TextWindow:
    """A sliding window over a source's decompressed bytes, for kernels that read addresses."""

    def __init__(self, source: Source, window_bytes: int = WINDOW_BYTES) -> None:
        self.name = source.name
        self._limit = source.compressed_bytes * EXPANSION_RATIO_MAX + EXPANSION_FREE_BYTES
        self._total = 0
        with typed_read_errors(self.name):
            self._stream = source.opener()
        self._buffer = np.empty(window_bytes, dtype=np.uint8)
        self._view = memoryview(cast("bytes", self._buffer))
        self._base = int(self._buffer.ctypes.data)
        self._start = 0
        self._end = 0
        self.is_final = False

    @property
    def address(self) -> int:
        """Address of the first byte that hasn't been consumed."""
        return self._base + self._start

    @property
    def end_address(self) -> int:
        """Address after the last byte at hand."""
        return self._base + self._end

    @property
    def byte_count(self) -> int:
        """Bytes at hand."""
        return self._end - self._start

    def text(self, limit: int) -> bytes:
        """The next bytes, at most ``limit``, for messages about them."""
        return bytes(self._view[self._start : min(self._end, self._start + limit)])

    def consume(self, address: int) -> None:
        """Everything before ``address`` is done with."""
        self._start = address - self._base

    def fill(self) -> bool:
        """Move what is left to the front and read on, up to ``READ_BYTES``.

        False if that gained nothing: the window was full already, or the source is at its end.
        """
        left = self._end - self._start
        if self.is_final or left == len(self._buffer):
            return False
        if self._start > 0:
            self._buffer[:left] = self._buffer[self._start : self._end].copy()
            self._start, self._end = 0, left
        target = min(self._end + READ_BYTES, len(self._buffer))
        with typed_read_errors(self.name):
            while self._end < target and not self.is_final:
                room = self._view[self._end : target]
                count = self._stream.readinto(room)  # type: ignore[attr-defined]
                if not count:
                    self.is_final = True
                self._end += count
                self._total += count
        if self._total > self._limit:
            detail = f"expands to more than {self._limit} bytes"
            raise file_error(reason.REASON_MALFORMED_FILE, self.name, detail)
        return True

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _zip_sources(path: Path) -> list[Source]:
    name = str(path)
    with typed_read_errors(name):
        try:
            archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            # The directory of a zip stands at its end: without it the file was cut short.
            detail = "the zip has no directory at its end"
            raise file_error(reason.REASON_TRUNCATED_FILE, name, detail) from error
    with archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
    if len(members) > ZIP_MEMBER_COUNT_MAX:
        detail = f"the zip has more than {ZIP_MEMBER_COUNT_MAX} members"
        raise file_error(reason.REASON_UNRECOGNISED_FILE, name, detail)

    def opener_of(member: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
        def opener() -> BinaryIO:
            # The member's stream keeps the archive's file open by itself.
            with zipfile.ZipFile(path) as opened:
                return cast("BinaryIO", opened.open(member))

        return opener

    return [
        Source(f"{name}!{info.filename}", path, info.compress_size, opener_of(info))
        for info in members
    ]


def open_sources(path: Path) -> list[Source]:
    """The streams of a file: one, or the members of a zip. Errors are typed and name the file."""
    name = str(path)
    with typed_read_errors(name):
        size = stat_regular(path).st_size
        with path.open("rb") as stream:
            magic = stream.read(6)
    if size == 0:
        raise file_error(reason.REASON_TRUNCATED_FILE, name, "the file is empty")
    if magic.startswith(_ZIP_MAGIC):
        return _zip_sources(path)
    if magic.startswith(_GZIP_MAGIC):
        return [Source(name, path, size, lambda: cast("BinaryIO", gzip.open(path, "rb")))]
    if magic.startswith(_XZ_MAGIC):
        return [Source(name, path, size, lambda: cast("BinaryIO", lzma.open(path, "rb")))]
    return [Source(name, path, size, lambda: path.open("rb", buffering=0))]
