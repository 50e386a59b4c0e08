"""``tradecaptain token``: the bearer token of a principal, for other tools' calls."""

from __future__ import annotations

import typer
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.output import emit_json, show
from tradecaptain.edge.tokens import token_of


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("token")(token)


def token(
    principal: str = typer.Argument("alpha", help="An account's name, or operator."),
    json: bool = typer.Option(False, "--json", help="Answer with one JSON object."),
) -> None:
    """Print a principal's token. Whoever has it trades with it: keep it out of logs."""
    run = RunPaths.from_environment()
    if not run.tokens.exists():
        raise CommandError(
            f"there are no tokens in {run.folder}", next_step="`tradecaptain up` writes them"
        )
    found = token_of(run.tokens, principal)
    if json:
        emit_json({"principal": principal, "token": found})
    else:
        show(found)
