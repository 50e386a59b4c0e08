"""Asks the venue for its books, the way any client does."""

from __future__ import annotations

from typing import Final

import grpc
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.api.orderbook.v1 import orderbook_pb2, orderbook_pb2_grpc
from tradecaptain.edge.errors import from_rpc_error

_ANSWER_SECONDS: Final = 2.0


class VenueDoor:
    """A channel to the front door, which knows the process that is the venue at present."""

    def __init__(self, port: int, token: str) -> None:
        """``port`` is Envoy's on this machine."""
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self._stub = orderbook_pb2_grpc.OrderBookServiceStub(self._channel)
        self._metadata = (("authorization", f"Bearer {token}"),)

    async def read_book(self, instrument_id: int) -> records_pb2.BookSnapshot:
        """All levels of a book; raises the refusal of the venue, or of the door to it."""
        request = orderbook_pb2.GetBookRequest(
            instrument=str(instrument_id), level=records_pb2.DEPTH_LEVEL_L2
        )
        try:
            response = await self._stub.GetBook(
                request, metadata=self._metadata, timeout=_ANSWER_SECONDS
            )
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        book: records_pb2.BookSnapshot = response.book
        return book

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()
