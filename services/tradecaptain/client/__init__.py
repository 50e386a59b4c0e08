"""The Python SDK: generated stubs with a token, typed errors, exact decimals and resuming streams.

async with Client("127.0.0.1:10000", token) as client:
    order = await client.submit("ACME@TCAP", "buy", quantity="10", price="99.50")
    async for report in client.executions():
        ...
"""

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.client.client import Client
from tradecaptain.client.decimals import Units, units_to_decimal
from tradecaptain.client.service import Service

__all__ = ["Client", "Service", "TradeCaptainError", "Units", "units_to_decimal"]
