"""Clients that watch streams over HTTP, a thousand in one process, and what they have seen when it is over."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

__all__ = ['Seen', 'Viewer', 'ask', 'watch']

PIECE = re.compile(rb'<(\d+) (\d+\.\d+)>')
CONNECTING = 50
"""Viewers that connect at the same time."""


@dataclass(kw_only=True)
class Seen:
    """What all viewers have seen together.

    Attributes:
        lags: Seconds from when each piece was due until it was there, in order of size.
        missing: Pieces that a viewer has not seen.
        twice: Pieces that came again, or in another order.
    """

    lags: list[float] = field(default_factory=list[float])
    missing: int = 0
    twice: int = 0

    def percentile(self, share: float) -> float:
        """The lag that so many pieces do not exceed; infinite if there were none."""
        return self.lags[min(len(self.lags) - 1, int(len(self.lags) * share))] if self.lags else float('inf')


class Viewer(asyncio.Protocol):
    """Asks for a stream, and keeps what comes, with the time, to be read when there is time for that."""

    def __init__(self, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._request = request
        self._received: list[bytes] = []
        self._times = array('d')
        self.connected: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self.transport = cast('asyncio.WriteTransport', transport)  # no subclass of it where the loop is uvloop's
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._times.append(time.monotonic())
        self._received.append(data)
        if not self.connected.done():
            self.connected.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        for future in (self.connected, self.over):
            if not future.done():
                future.set_result(None)

    @property
    def body(self) -> bytes:
        """What has come, with the headers."""
        return b''.join(self._received)

    def tell(self, seen: Seen, events: int) -> None:
        """Add what this viewer has seen. A piece is there when its last byte is."""
        came: dict[int, float] = {}
        last, rest = -1, b''
        for at, data in zip(self._times, self._received, strict=True):
            rest += data
            end = 0
            for found in PIECE.finditer(rest):
                number, end = int(found[1]), found.end()
                seen.twice += number <= last
                last = number
                came.setdefault(number, at - float(found[2]))
            rest = rest[max(end, len(rest) - 64) :]
        seen.missing += events - len(came)
        seen.lags += came.values()


async def watch(port: int, paths: Sequence[str], *, events: int, within: float) -> tuple[Seen, Any, Any]:
    """Have one viewer follow each of the paths, to the end: what they saw, and the server's figures before and after.

    The models are told to write when all viewers are there. `within` is the seconds after which it is given up.
    """
    loop = asyncio.get_running_loop()
    before = (await ask(port, 'GET', '/figures'))['now']
    viewers: list[Viewer] = []
    for start in range(0, len(paths), CONNECTING):
        for path in paths[start : start + CONNECTING]:
            request = _request('GET', path)
            _, viewer = await loop.create_connection(lambda request=request: Viewer(request), '127.0.0.1', port)
            viewers.append(viewer)
        await asyncio.wait_for(asyncio.gather(*(viewer.connected for viewer in viewers[start:])), within)
    await asyncio.sleep(0.3)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        begun = await ask(port, 'POST', '/go')
        await asyncio.wait([viewer.over for viewer in viewers], timeout=within)
        after = await ask(port, 'GET', '/figures')
    finally:
        gc.enable()
        gc.unfreeze()
        for viewer in viewers:
            viewer.transport.close()
    seen = Seen()
    for viewer in viewers:
        viewer.tell(seen, events)
    seen.lags.sort()
    return seen, {'before': before, 'begun': begun}, after


async def ask(port: int, method: str, path: str) -> Any:
    """Ask for something in JSON."""
    loop = asyncio.get_running_loop()
    _, viewer = await loop.create_connection(lambda: Viewer(_request(method, path)), '127.0.0.1', port)
    await viewer.over
    return json.loads(viewer.body.partition(b'\r\n\r\n')[2])


def _request(method: str, path: str) -> bytes:
    length = 'Content-Length: 0\r\n' if method == 'POST' else ''
    return f'{method} {path} HTTP/1.1\r\nHost: localhost\r\n{length}Connection: close\r\n\r\n'.encode()
