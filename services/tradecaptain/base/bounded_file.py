"""Files of others, read whole: no device or pipe, which may never end, and no bomb."""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import os
import stat
from pathlib import Path
from typing import Final

WHOLE_BYTES_MAX: Final = 512 << 20
_GZIP_MAGIC: Final = b"\x1f\x8b"
_XZ_MAGIC: Final = b"\xfd7zXZ\x00"


def stat_regular(path: Path) -> os.stat_result:
    """What is known of a file; OSError if it isn't there, or isn't a regular file."""
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return found


def read_bounded(path: Path, bytes_max: int = WHOLE_BYTES_MAX) -> bytes:
    """The bytes of a regular file; OSError, also if there are more than ``bytes_max``."""
    if stat_regular(path).st_size > bytes_max:
        raise _too_large(path, bytes_max)
    return path.read_bytes()


def unpack_bounded(path: Path, bytes_max: int = WHOLE_BYTES_MAX) -> bytes:
    """The bytes of a file, unpacked if its content says that it is packed by gzip or xz.

    Raises OSError as :func:`read_bounded`, and what gzip and lzma raise for damaged data.
    """
    data = read_bounded(path, bytes_max)
    packed = io.BytesIO(data)
    if data.startswith(_GZIP_MAGIC):
        with gzip.open(packed, "rb") as stream:
            data = stream.read(bytes_max + 1)
    elif data.startswith(_XZ_MAGIC):
        with lzma.open(packed, "rb") as stream:
            data = stream.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise _too_large(path, bytes_max)
    return data


def _too_large(path: Path, bytes_max: int) -> OSError:
    return OSError(errno.EFBIG, f"More than {bytes_max} bytes", str(path))
