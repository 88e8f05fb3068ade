"""One HTTP request on one connection, without a library: no pool, no retry, nothing kept. Test's loop."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.observer import Address

CALL_S = 8.0


async def call(address: Address, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Return status and decoded JSON body. Raises ConnectionError or TimeoutError."""
    data = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {address.host}:{address.port}\r\nAuthorization: Bearer {address.token}\r\n"
        f"Connection: close\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    async with asyncio.timeout(CALL_S):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        try:
            writer.write(head.encode() + data)
            answer = await reader.read()
        finally:
            writer.close()
    if not answer:
        raise ConnectionResetError("the server closed the connection without an answer")
    top, _, rest = answer.partition(b"\r\n\r\n")
    return int(top.split(b" ", 2)[1]), json.loads(rest) if rest else None
