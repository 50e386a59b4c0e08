"""Files of published cases: one JSON object, plain or compressed.

What Python's ``json`` writes is read as it reads it: ``NaN`` and ``Infinity`` are numbers, so that
a file with one of them has its other cases judged.
"""

from __future__ import annotations

import gzip
import json
import lzma
import zlib
from pathlib import Path
from typing import Any

import orjson
from tradecaptain.base.bounded_file import unpack_bounded
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.wire import reason as reasons


def _refusal(path: Path, why: object) -> TradeCaptainError:
    return TradeCaptainError(reasons.REASON_UNRECOGNISED_FILE, f"{path}{why}", field=str(path))


def _unpacked(path: Path) -> bytes:
    """The bytes of a file; what it is packed with is told by its content."""
    try:
        return unpack_bounded(path)
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise _refusal(path, f" can't be unpacked: {error}") from error
    except OSError as error:
        raise _refusal(path, f": {error.strerror}") from error


def read_object(path: Path) -> dict[str, Any]:
    """The one JSON object of a file, empty for JSON that is none; refuses what isn't JSON."""
    data = _unpacked(path)
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise _refusal(path, f" is not JSON: {error}") from error
    return document if isinstance(document, dict) else {}
