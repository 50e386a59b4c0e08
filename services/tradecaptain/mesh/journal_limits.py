"""What bounds the execution log's groups, whoever writes, reads or configures it."""

from __future__ import annotations

from typing import Final

LARGEST_GROUP_BYTES: Final = 1 << 22
"""No sync is waited for with more than this behind the one before."""
