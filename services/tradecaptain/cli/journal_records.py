"""Records of the execution log as rows, for people and for other programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of, load_i64, load_u16, store_i64
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.journal_kinds import ExportFormat, RecordKind
from tradecaptain.cli.journal_source import VenueLog, open_source
from tradecaptain.cli.output import emit_json, show
from tradecaptain.mesh.journal import (
    FLAG_PADDING,
    FRAME_HEADER_BYTES,
    FRAME_SEQUENCE,
    frame_bytes,
    frame_flags,
    frame_length,
)
from tradecaptain.wire import (
    control,
    execution_event,
    instrument_definition,
    order_command,
    reason,
)

KINDS: Final[dict[int, tuple[RecordKind, ModuleType]]] = {
    order_command.KIND: (RecordKind.ORDER_COMMAND, order_command),
    execution_event.KIND: (RecordKind.EXECUTION_EVENT, execution_event),
    control.KIND: (RecordKind.CONTROL, control),
    instrument_definition.KIND: (RecordKind.INSTRUMENT_DEFINITION, instrument_definition),
}
_HIDDEN: Final = ("segment_table", "root_pointer", "kind", "schema_version")
_ENTRY_WORDS: Final = 4
_TEXT_WORDS: Final = [f"client_order_id{word}" for word in range(4)]


@kernel("int64(int64, int64, int64)")
def list_frames(address: int, length: int, target: int) -> int:
    """Write (address, number, kind, flags) of every frame to ``target``; how many there are."""
    consumed = 0
    count = 0
    while consumed < length:
        frame = address + consumed
        size = frame_length(frame)
        if frame_flags(frame) & FLAG_PADDING != 0:
            consumed += FRAME_HEADER_BYTES + size
            continue
        entry = target + count * 8 * _ENTRY_WORDS
        store_i64(entry, frame)
        store_i64(entry + 8, load_i64(frame + FRAME_SEQUENCE))
        store_i64(entry + 16, int(load_u16(frame + FRAME_HEADER_BYTES + order_command.OFFSET_KIND)))
        store_i64(entry + 24, frame_flags(frame))
        count += 1
        consumed += frame_bytes(size)
    return count


class Batch:
    """Records of one kind from one range of the log: their frames' numbers and flags, and rows."""

    def __init__(
        self, kind: int, entries: npt.NDArray[np.int64], frames: npt.NDArray[np.uint8]
    ) -> None:
        self.name, module = KINDS[kind]
        self.numbers = entries[:, 1]
        self.flags = entries[:, 3]
        self.rows = np.zeros(len(entries), module.DTYPE)
        target = self.rows.view(np.uint8).reshape(len(entries), -1)
        scratch = np.zeros(module.RECORD_BYTES, np.uint8)
        offsets = entries[:, 0] - address_of(frames) + FRAME_HEADER_BYTES
        for row, offset in enumerate(offsets.tolist()):
            length = frame_length(int(entries[row, 0]))
            record = np.ascontiguousarray(frames[offset : offset + length]).view(np.int64)
            found = module.normalise(address_of(record), length, address_of(scratch))
            whole = record.view(np.uint8) if found == address_of(record) else scratch
            target[row] = whole[: module.RECORD_BYTES]

    def dicts(self) -> Iterator[dict[str, Any]]:
        """Rows as dictionaries, zero fields and the wire's own words left out."""
        names = [name for name in self.rows.dtype.names or () if name not in _HIDDEN]
        shown_names = [name for name in names if name not in _TEXT_WORDS]
        # A column at a time: one number of a row takes longer than a column of it a row.
        rows = zip(*(self.rows[name].tolist() for name in shown_names), strict=True)
        texts = self._client_order_ids() if _TEXT_WORDS[0] in names else [""] * len(self.rows)
        for number, flags, row, text in zip(
            self.numbers.tolist(), self.flags.tolist(), rows, texts, strict=True
        ):
            shown = {name: value for name, value in zip(shown_names, row, strict=True) if value}
            if text:
                shown["client_order_id"] = text
            if shown.get("reason"):
                shown["reason_name"] = reason.NAMES.get(shown["reason"], "")
            yield {"journal_sequence": number, "record": self.name, "flags": flags} | shown

    def columns(self) -> dict[str, Any]:
        """Columns for Parquet; client order ids are text."""
        names = [name for name in self.rows.dtype.names or () if name not in _HIDDEN]
        columns: dict[str, Any] = {
            "journal_sequence": self.numbers,
            "flags": self.flags.astype(np.uint8),
        }
        for name in names:
            if name not in _TEXT_WORDS:
                columns[name] = np.ascontiguousarray(self.rows[name])
        if _TEXT_WORDS[0] in names:
            columns["client_order_id"] = self._client_order_ids()
        return columns

    def _client_order_ids(self) -> list[str]:
        words = np.stack([self.rows[name] for name in _TEXT_WORDS], axis=1)
        # numpy leaves out the zero bytes at the end, which pad an id.
        texts = np.ascontiguousarray(words).view(f"S{8 * len(_TEXT_WORDS)}").ravel().tolist()
        return [text.decode("ascii", "replace") for text in texts]


def batches(source: VenueLog, start: int, end: int | None) -> Iterator[list[Batch]]:
    """Records ``start`` to ``end`` of the log, a range at a time, sorted by kind."""
    for frames in source.checked_frames(start):
        entries = np.zeros((len(frames) // FRAME_HEADER_BYTES + 1, _ENTRY_WORDS), np.int64)
        count = int(list_frames(address_of(frames), len(frames), address_of(entries)))
        entries = entries[:count]
        wanted = entries[:, 1] >= start
        if end is not None:
            wanted &= entries[:, 1] <= end
        entries = entries[wanted]
        yield [
            Batch(kind, entries[entries[:, 2] == kind], frames)
            for kind in KINDS
            if (entries[:, 2] == kind).any()
        ]
        if end is not None and count and int(entries[-1, 1] if len(entries) else 0) >= end:
            return


def print_records(
    folder: Path | None,
    ring: Path | None,
    span: tuple[int, int | None],
    kind: RecordKind | None,
    *,
    json: bool,
) -> None:
    """Print records, one a line, in the order of the log; ``span`` as ``batches`` takes it."""
    rows: list[dict[str, Any]] = []
    with open_source(folder, ring) as source:
        for group in batches(source, *span):
            found = [row for batch in group if kind in (None, batch.name) for row in batch.dicts()]
            found.sort(key=lambda row: row["journal_sequence"])
            if json:
                rows += found
                continue
            for row in found:
                show(orjson.dumps(row).decode())
    if json:
        emit_json({"records": rows})


def export_records(
    folder: Path | None,
    ring: Path | None,
    span: tuple[int, int | None],
    target: Path,
    form: ExportFormat,
    *,
    json: bool,
) -> None:
    """Write records for other programs into ``target``, one file a kind."""
    with open_source(folder, ring) as source:
        written = _write_files(source, span, target, form)
    if json:
        emit_json({"folder": str(target), "files": written})
        return
    for name, count in written.items():
        show(f"{target / name}: {count:,} records")


def _write_files(
    source: VenueLog, span: tuple[int, int | None], target: Path, form: ExportFormat
) -> dict[str, int]:
    """Write one file a kind into ``target``; names and numbers of records."""
    open_writer = _parquet_writer() if form is ExportFormat.PARQUET else _ndjson_writer
    if target.exists() and not target.is_dir():
        raise CommandError(f"{target} is no folder", next_step="name a folder, which is made")
    target.mkdir(parents=True, exist_ok=True)
    for kind in RecordKind:
        # Of an earlier export, which may have had records of more kinds than this one.
        (target / f"{kind}.{form.value}").unlink(missing_ok=True)
    written: dict[str, int] = {}
    with ExitStack() as files:
        writers: dict[str, Callable[[Batch], None]] = {}
        for group in batches(source, *span):
            for batch in group:
                name = f"{batch.name}.{form.value}"
                if name not in writers:
                    writers[name] = open_writer(target / name, files)
                writers[name](batch)
                written[name] = written.get(name, 0) + len(batch.rows)
    return written


def _ndjson_writer(path: Path, files: ExitStack) -> Callable[[Batch], None]:
    file = files.enter_context(path.open("wb"))

    def write(batch: Batch) -> None:
        for row in batch.dicts():
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    return write


def _parquet_writer() -> Callable[[Path, ExitStack], Callable[[Batch], None]]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise CommandError(
            "Parquet needs pyarrow, which isn't installed",
            next_step="install tradecaptain[export] (in a checkout `uv sync --frozen --inexact"
            " --no-default-groups --extra export`; `./tc` has its uv in .tc), or use"
            " `--format ndjson`",
        ) from error

    def open_writer(path: Path, files: ExitStack) -> Callable[[Batch], None]:
        opened: list[Any] = []

        def write(batch: Batch) -> None:
            table = pa.table(batch.columns())
            if not opened:
                opened.append(
                    files.enter_context(
                        parquet.ParquetWriter(path, table.schema, compression="zstd")
                    )
                )
            opened[0].write_table(table)

        return write

    return open_writer
