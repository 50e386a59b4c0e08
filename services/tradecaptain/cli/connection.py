"""The connection of a hand trade: through Envoy, with a token of the run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.cli.failure import CommandError
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.edge.tokens import token_of
from tradecaptain.launch.run_state import running_supervisor

CALL_SECONDS = 10.0


class Connection:
    """A channel with the metadata that every call needs."""

    def __init__(self, channel: grpc.Channel, token: str) -> None:
        self.channel = channel
        self.metadata = (("authorization", f"Bearer {token}"),)


@contextmanager
def connect(principal: str) -> Iterator[Connection]:
    """Connect as a principal; what the far side refuses comes back as a typed error."""
    run = RunPaths.from_environment()
    if running_supervisor(run) is None:
        raise CommandError(
            f"nothing is running in {run.folder}", next_step="start it with `tradecaptain up`"
        )
    token = token_of(run.tokens, principal)
    with grpc.insecure_channel(f"127.0.0.1:{run.ports.envoy}") as channel:
        try:
            yield Connection(channel, token)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
