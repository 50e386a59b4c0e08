"""What records of the execution log are called, and the forms in which they are exported."""

from __future__ import annotations

from enum import StrEnum


class RecordKind(StrEnum):
    """Records of a log, as their files are called."""

    ORDER_COMMAND = "order_command"
    EXECUTION_EVENT = "execution_event"
    CONTROL = "control"
    INSTRUMENT_DEFINITION = "instrument_definition"


class ExportFormat(StrEnum):
    """What other programs read."""

    NDJSON = "ndjson"
    PARQUET = "parquet"
