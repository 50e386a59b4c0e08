"""The ``tradecaptain`` command: one module a verb, put together here."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import typer
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.output import say

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
    "watch": "watch",
    "token": "token",
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


def _root() -> None:
    """A self-hosted trading mesh in Python at native speed."""


def main() -> None:
    """Run a command line; expected failures end in one or two lines and status 1."""
    # The supervisor starts processes beside its gRPC channels and never uses gRPC in between;
    # without this gRPC would complain about every one of them.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    named = sys.argv[1:2]
    app = build(named if named and named[0] in VERBS else list(VERBS))
    try:
        app()
    except CommandError as error:
        say(f"error: {error.message}")
        if error.next_step:
            say(f"next:  {error.next_step}")
        sys.exit(1)
    except TradeCaptainError as error:
        say(f"error: {error.message} ({error.name})")
        if error.retryable:
            say("next:  the same request may succeed later without a change")
        sys.exit(1)
    except OSError as error:
        # A file, a folder or a port that isn't as it should be; the system's words name it.
        say(f"error: {error}")
        say("next:  mend what it names, or run `tradecaptain doctor`")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
