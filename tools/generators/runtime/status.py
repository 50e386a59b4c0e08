"""Why a mesh record was refused: the negative results of every ``normalise``."""

from typing import Final

TRUNCATED: Final = -101
SEGMENT_COUNT: Final = -102
POINTER_KIND: Final = -103
OUT_OF_BOUNDS: Final = -104
MISALIGNED: Final = -105
WRONG_KIND: Final = -106

NAMES: Final[dict[int, str]] = {
    TRUNCATED: "TRUNCATED",
    SEGMENT_COUNT: "SEGMENT_COUNT",
    POINTER_KIND: "POINTER_KIND",
    OUT_OF_BOUNDS: "OUT_OF_BOUNDS",
    MISALIGNED: "MISALIGNED",
    WRONG_KIND: "WRONG_KIND",
}

DESCRIPTIONS: Final[dict[int, str]] = {
    TRUNCATED: "the buffer ends before the segment that its table announces",
    SEGMENT_COUNT: "the message has more than one segment",
    POINTER_KIND: "the root pointer is null, or not a plain struct pointer",
    OUT_OF_BOUNDS: "the struct lies outside its segment",
    MISALIGNED: "the message does not lie on an 8-byte boundary",
    WRONG_KIND: "the record is of another kind",
}
