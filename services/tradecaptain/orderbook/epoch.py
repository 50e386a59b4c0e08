"""The venue's epoch: a number on disk that grows each time the venue starts without its state."""

from __future__ import annotations

from pathlib import Path

from tradecaptain.base.durable_text import write_durably
from tradecaptain.base.errors import ConfigurationError

EPOCH_MAXIMUM = (1 << 23) - 1
"""Order ids carry the epoch above 40 bits of count and must stay positive."""


def next_epoch(path: Path) -> int:
    """Open the next epoch: read the last one, write its successor durably, and return that.

    The new number is on disk before anybody sees it, so two starts can't share an epoch whatever
    happens between. A file that holds something else stops the start: beginning again at 1 would
    give out the same order ids twice.
    """
    last = _last_epoch(path)
    if last == EPOCH_MAXIMUM:
        raise ConfigurationError(f"{path} holds {last}, which has no next epoch")
    write_durably(path, f"{last + 1}\n")
    return last + 1


def not_before(path: Path, epoch: int) -> None:
    """Make sure that a later start without a log begins behind an epoch that a log told of."""
    if _last_epoch(path) < epoch:
        write_durably(path, f"{epoch}\n")


def _last_epoch(path: Path) -> int:
    try:
        last = int(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return 0
    except (ValueError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} doesn't hold an epoch number: {error}") from error
    if not 0 <= last <= EPOCH_MAXIMUM:
        raise ConfigurationError(f"{path} holds {last}, which has no next epoch")
    return last
