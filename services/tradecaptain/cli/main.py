"""The ``tradecaptain`` command: one module a verb, put together here."""

from __future__ import annotations

import sys

import typer
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.cli import (
    compile_kernels,
    config,
    doctor,
    down,
    generate,
    logs,
    order,
    perf,
    replay,
    status,
    test,
    token,
    up,
    watch,
)
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.output import say
from tradecaptain.cli.verify import command as verify

app = typer.Typer(
    name="tradecaptain",
    help="A self-hosted trading mesh in Python at native speed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_VERBS = (
    up,
    down,
    status,
    logs,
    doctor,
    config,
    compile_kernels,
    replay,
    verify,
    order,
    watch,
    token,
    perf,
    test,
    generate,
)
for _verb in _VERBS:
    _verb.register(app)


def main() -> None:
    """Run a command line; expected failures end in one or two lines and status 1."""
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
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
