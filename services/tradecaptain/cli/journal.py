"""``tradecaptain journal``: the execution log, looked at, checked, exported and replayed.

What a command line looks like stands here alone: the modules that do the work load the venue's
compiled program, which no help needs.
"""

from __future__ import annotations

from pathlib import Path

import typer
from tradecaptain.cli.journal_kinds import ExportFormat, RecordKind

_FOLDER = typer.Option(
    None, "--folder", help="Folder of segment files; the run folder's if absent."
)
_RING = typer.Option(None, "--ring", help="Ring in shared memory; the run folder's if absent.")
_START = typer.Option(1, "--from", min=1, help="First record.")
_END = typer.Option(0, "--to", min=0, help="Last record; 0 for all.")
_JSON = typer.Option(False, "--json", help="Answer with one JSON object.")


def register(app: typer.Typer) -> None:
    """Add the verb and the verbs below it."""
    group = typer.Typer(
        help="Look at the execution log, check it, export it, replay it.", no_args_is_help=True
    )
    group.command("info")(info)
    group.command("verify")(verify)
    group.command("cat")(cat)
    group.command("export")(export)
    group.command("repair")(repair)
    group.command("replay")(replay)
    app.add_typer(group, name="journal")


def info(folder: Path = _FOLDER, ring: Path = _RING, json: bool = _JSON) -> None:
    """Where the log stands: segments, ring, what is on disk."""
    from tradecaptain.cli.journal_check import tell_where_it_stands

    tell_where_it_stands(folder, ring, json=json)


def verify(folder: Path = _FOLDER, ring: Path = _RING, json: bool = _JSON) -> None:
    """Check every record, every block's hash, every snapshot, and that nothing is missing.

    Ends with status 1 and names the record if one but a torn last one is damaged, or the snapshot.
    """
    from tradecaptain.cli.journal_check import verify_log

    verify_log(folder, ring, json=json)


def cat(
    start: int = _START,
    end: int = _END,
    kind: RecordKind = typer.Option(None, "--kind", help="Only records of this kind."),
    folder: Path = _FOLDER,
    ring: Path = _RING,
    json: bool = _JSON,
) -> None:
    """Print records, one a line, in the order of the log."""
    _check_range(start, end)
    from tradecaptain.cli.journal_records import print_records

    print_records(folder, ring, (start, end or None), kind, json=json)


def export(
    target: Path = typer.Argument(help="Folder for one file a kind of record."),
    form: ExportFormat = typer.Option(ExportFormat.NDJSON, "--format", help="ndjson or parquet."),
    start: int = _START,
    end: int = _END,
    folder: Path = _FOLDER,
    ring: Path = _RING,
    json: bool = _JSON,
) -> None:
    """Write the log's records for other programs, one file a kind.

    Files of an earlier export into the same folder, in the same format, are replaced.
    """
    _check_range(start, end)
    from tradecaptain.cli.journal_records import export_records

    export_records(folder, ring, (start, end or None), target, form, json=json)


def repair(
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be done."),
    folder: Path = _FOLDER,
    ring: Path = _RING,
    json: bool = _JSON,
) -> None:
    """Cut off a torn last record. Damage in the middle is named and left alone."""
    from tradecaptain.cli.journal_check import repair_log

    repair_log(folder, ring, dry_run=dry_run, json=json)


def replay(
    until: str = typer.Option("", "--until", help="Stop behind a sequence, or at a time (ISO)."),
    what_if: Path = typer.Option(
        None,
        "--what-if",
        help="Limits as they should have been: a file as `risk export` writes it.",
    ),
    folder: Path = _FOLDER,
    ring: Path = _RING,
    json: bool = _JSON,
) -> None:
    """Carry out the log again and print the state hash; with --what-if, what would have differed.

    Checks that every event comes out as it was logged, and that every snapshot says what comes out
    at its place; ends with status 1 where one doesn't. Where the log's beginning was dropped, it
    begins with the oldest snapshot.
    """
    from tradecaptain.cli.journal_replay import replay_log

    replay_log(folder, ring, until, what_if, json=json)


def _check_range(start: int, end: int) -> None:
    """Refuse a range of records that ends before it begins; an end of 0 is the log's."""
    if 0 < end < start:
        raise typer.BadParameter(f"--to {end} is before --from {start}")
