"""Runs the gateway: ``python -m tradecaptain.gateway``."""

from __future__ import annotations

import sys
from typing import Final

from tradecaptain.api.orderbook.v1.administration_pb2_grpc import (
    add_VenueAdministrationServiceServicer_to_server,
)
from tradecaptain.api.orders.v1.orders_pb2_grpc import add_OrderServiceServicer_to_server
from tradecaptain.base.reference_file import ReferenceFile
from tradecaptain.base.run_paths import Ports, RunPaths
from tradecaptain.edge import EdgeServer, EdgeSettings, Role, configure_logging, run, serve_while
from tradecaptain.edge.service_map import PROCESS_OF_SERVICE, services_of
from tradecaptain.gateway.config import GatewayConfig
from tradecaptain.gateway.process import Gateway
from tradecaptain.mesh.client import AeronMesh

ACCESS: Final = {
    "GetOrder": Role.READ,
    "ListOrders": Role.READ,
    "StreamExecutions": Role.READ,
    "SubmitOrder": Role.TRADE,
    "SubmitBatch": Role.TRADE,
    "CancelOrder": Role.TRADE,
    "ReplaceOrder": Role.TRADE,
    "MassCancel": Role.TRADE,
    "OrderSession": Role.TRADE,
    "OpenSession": Role.TRADE,
}
"""Which role each method asks for."""


def _peers(ports: Ports) -> dict[int, tuple[str, ...]]:
    """Services of the other processes, by the port of each."""
    others = {process for process in PROCESS_OF_SERVICE.values() if process != "gateway"}
    return {ports.of(process): services_of(process) for process in sorted(others)}


async def main() -> None:
    """Join the mesh, serve until SIGTERM, and leave."""
    configure_logging("gateway")
    paths = RunPaths.from_environment()
    config = GatewayConfig.load(paths)
    with AeronMesh(aeron_directory=paths.aeron, client_name="gateway") as mesh:
        gateway = Gateway(mesh, paths, ReferenceFile(paths.reference), config)
        gateway.start()
        gateway.run_threads()
        server = EdgeServer(
            EdgeSettings(
                service="gateway",
                port=paths.ports.gateway,
                token_path=paths.tokens,
                accounts=gateway.accounts,
                unary_calls_max=config.unary_calls_max,
                streams_max=config.streams_max,
                # Behind Envoy reflection and health go to this process, for all services.
                reflect_all=True,
                peers=_peers(paths.ports),
            )
        )
        orders = gateway.service()
        server.add(add_OrderServiceServicer_to_server, orders, access=ACCESS)
        server.add(
            add_VenueAdministrationServiceServicer_to_server,
            gateway.administration(orders),
            access={"*": Role.ADMINISTER},
        )
        server.on_drain(gateway.close)
        await server.start()
        await serve_while(server, gateway.watch())


if __name__ == "__main__":
    sys.exit(run(main))
