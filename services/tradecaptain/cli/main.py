"""The ``tradecaptain`` command: one module a verb, put together here."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Annotated, Any, NoReturn

import typer
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.output import emit_json, say
from tradecaptain.wire.reason import REASON_JOURNAL_DAMAGED

USAGE_STATUS = 2
"""How a command line ends that can't be understood."""

# Each verb and the module that has it, in the order of the help.
VERBS = {
    "up": "up",
    "down": "down",
    "status": "status",
    "logs": "logs",
    "doctor": "doctor",
    "config": "config",
    "compile": "compile_kernels",
    "replay": "replay",
    "verify": "verify.command",
    "order": "order",
    "venue": "venue",
    "watch": "watch",
    "price": "price",
    "risk": "risk",
    "journal": "journal",
    "standby": "standby",
    "simulate": "simulate",
    "token": "token",
    "engine": "engine",
    "perf": "perf",
    "test": "test",
    "gen": "generate",
}


def build(verbs: Sequence[str]) -> typer.Typer:
    """Put a command together from some verbs; a verb's module is imported only if it takes part."""
    app = typer.Typer(
        name="tradecaptain",
        help="A self-hosted trading mesh in Python at native speed.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    # A callback keeps a command with a single verb from taking that verb's place.
    app.callback()(_root)
    for verb in verbs:
        importlib.import_module(f"tradecaptain.cli.{VERBS[verb]}").register(app)
    return app


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"tradecaptain {metadata.version('tradecaptain')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Tell the version and end."
        ),
    ] = False,
) -> None:
    """A self-hosted trading mesh in Python at native speed."""


def main() -> None:
    """Run a command line; expected failures end in one or two lines and status 1.

    With ``--json`` a failure is one object as well: ``{"error": {…}}``.
    """
    # The supervisor starts processes beside its gRPC channels and never uses gRPC in between;
    # without this gRPC would complain about every one of them.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    named = sys.argv[1:2]
    try:
        # What a verb imports takes a second, in which somebody may change their mind.
        build(named if named and named[0] in VERBS else list(VERBS))()
    except CommandError as error:
        _end({"message": error.message, "next_step": error.next_step}, error.message)
    except TradeCaptainError as error:
        step = "the same request may succeed later without a change" if error.retryable else ""
        if error.reason == REASON_JOURNAL_DAMAGED:
            step = (
                "keep a copy of the folder and the ring, and put back from a copy what it names"
                " (docs/journal.md, Runbook)"
            )
        _end(_typed(error) | {"next_step": step}, f"{error.message} ({error.name})")
    except OSError as error:
        # A file, a folder or a port that isn't as it should be; the system's words name it.
        step = "mend what it names, or run `tradecaptain doctor`"
        _end({"message": str(error), "next_step": step}, str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except SystemExit as end:
        # What was wrong with the command line stands on standard error by now; the exit was raised
        # while the parser's own exception was handled, which has the words.
        if end.code == USAGE_STATUS and _wants_json():
            words = getattr(end.__context__, "format_message", None)
            said = "the command line isn't understood" + (f": {words()}" if words else "")
            step = "run the same verb with --help"
            emit_json({"error": {"message": said, "next_step": step}})
        raise


def _wants_json() -> bool:
    return "--json" in sys.argv[1:]


def _end(error: Mapping[str, Any], said: str) -> NoReturn:
    """Say what failed, for a machine too if it asked, and end with status 1."""
    say(f"error: {said}")
    if error["next_step"]:
        say(f"next:  {error['next_step']}")
    if _wants_json():
        emit_json({"error": error})
    sys.exit(1)


def _typed(error: TradeCaptainError) -> dict[str, Any]:
    """What the typed detail of a refusal tells over gRPC and REST as well."""
    return {
        "message": error.message,
        "reason": error.name,
        "rule": error.rule,
        "field": error.field,
        "retryable": error.retryable,
        "limit": error.limit,
        "observed": error.observed,
        "level": error.level,
    }


if __name__ == "__main__":
    main()
