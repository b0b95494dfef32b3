"""What a client says over a WebSocket, and what it is sent: `Session`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Protocol, cast

from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..aio.closing import drain
from ..core.telling import told_to
from ..core.wording import counted
from ..errors import StoreUnavailable, StreamMissing
from ..logs.heads import Head
from ..logs.tail import Follower
from .asked import Asked, asked_in_json
from .following import PATIENCE, SIZE
from .refused import Refused, refusal_of
from .runner import StreamRunner
from .shared_wire import shared_wire
from .waiting import Waiting
from .wire import FORMATS, LOST, WireFormat

__all__ = ['Routes', 'Session']

logger = told_to(__name__)

AT_ONCE = 64
"""Entries in one message, at most."""


class Routes(Protocol):
    """What a session needs of the routes that it is one of."""

    runner: StreamRunner
    longest: int

    def begin(self, asked: Asked, format_name: str, /) -> Awaitable[str]:
        """Start a run."""
        ...

    def owned(self, stream_id: str, owner: str | None, /) -> Awaitable[Head]:
        """A stream of this owner."""
        ...


class Session:
    """One connection. It follows one stream at a time; the run does not notice when the client goes.

    The client sends JSON: `{"type": "prompt", "prompt": ...}` starts a run and follows it, with a `"key"` once for all
    that have it; `{"type": "follow", "stream": ..., "offset": ...}` follows one from an offset, `{"type": "stop"}`
    stops the one that is followed. It is sent `{"stream": ..., "offset": ..., "frames": [...]}`, with the offset after
    these frames, from which it can go on, and `{"type": "refused", "error": ..., "message": ...}` for what cannot be
    followed, with the `"status"` of an `HTTPException` that the program has raised.

    Args:
        websocket: The connection, accepted.
        routes: What it is one of.
        owner: Whose streams it may follow.
        patience: Seconds that a client may take to receive a message; then it counts as dead, and is left.
    """

    def __init__(self, websocket: WebSocket, routes: Routes, owner: str | None, *, patience: float = PATIENCE) -> None:
        self._websocket = websocket
        self._routes = routes
        self._owner = owner
        self._stream: str | None = None
        self._sending: asyncio.Task[None] | None = None
        self._dead: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = Waiting(patience, patience, self._give_up)

    def _give_up(self) -> None:
        if not self._dead.done():
            self._dead.set_result(None)

    async def serve(self) -> None:
        """Until the client goes, or is given up."""
        listening = asyncio.create_task(self._listen(), name='pydantic-ai-streaming listen')
        try:
            await asyncio.wait((listening, self._dead), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting.over()
            await drain(listening)
            await self._leave()
        if not listening.cancelled():
            listening.result()

    async def _listen(self) -> None:
        try:
            while (message := await self._websocket.receive())['type'] != 'websocket.disconnect':
                try:
                    await self._obey(message.get('text'))
                except HTTPException as error:  # what the program itself says
                    said = {'error': 'refused', 'status': error.status_code, 'message': error.detail}
                    await self._tell({'type': 'refused', **said})
                except Exception as error:
                    if isinstance(error, WebSocketDisconnect | OSError) and not isinstance(error, StoreUnavailable):
                        raise
                    refused = refusal_of(error)
                    await self._tell({'type': 'refused', 'error': refused.error, 'message': refused.message})
        except (WebSocketDisconnect, OSError):
            pass  # it went away while it was told something

    async def _obey(self, text: str | None) -> None:
        match _message(text):
            case {'type': 'prompt'}:
                asked = asked_in_json(text or '', self._websocket, self._owner, longest=self._routes.longest)
                await self._follow(await self._routes.begin(asked, 'frames'), 0)
            case {'type': 'follow', 'stream': str(stream_id), 'offset': int(offset)} if _is_offset(offset):
                head = await self._routes.owned(stream_id, self._owner)
                if 'frames' not in (formats := head.details.get(FORMATS, ['frames'])):
                    raise Refused(400, 'unknown_format', f'This stream is written in {formats}.')
                if offset > head.length:
                    raise Refused(400, 'offset_beyond', f'The stream has {counted(head.length, "entry")}.')
                await self._follow(stream_id, offset)
            case {'type': 'stop'} if self._stream is not None:
                await self._routes.runner.stop(self._stream)
            case {'type': 'follow'}:
                raise Refused(400, 'malformed', 'Send {"type": "follow", "stream": "...", "offset": 0}.')
            case {'type': 'stop'}:
                raise Refused(400, 'malformed', 'There is nothing to stop: no stream is followed here.')
            case _:
                raise Refused(400, 'malformed', 'Send {"type": "prompt" | "follow" | "stop", ...}.')

    async def _follow(self, stream_id: str, offset: int) -> None:
        follower = await self._routes.runner.log.follow(stream_id, offset)
        await self._leave()
        self._stream = stream_id
        self._sending = asyncio.create_task(self._send(stream_id, follower), name='pydantic-ai-streaming send')

    async def _send(self, stream_id: str, follower: Follower) -> None:
        frames = self._routes.runner.formats['frames']
        wire = shared_wire(follower.tail, 'websocket', lambda _, entry: _listed(frames, entry))
        try:
            while not follower.exhausted:
                part = await follower.take(AT_ONCE, SIZE)
                if part is None:
                    await follower.wait()
                elif body := wire.of(part, follower.tail):
                    start = json.dumps({'stream': stream_id, 'offset': part.end})[:-1]
                    await self._put(f'{start}, "frames": [{body[:-1].decode()}]}}')
        except StreamMissing:
            lost = [json.loads(one) for one in frames.cut_off(LOST)]
            with suppress(WebSocketDisconnect, OSError):
                await self._tell({'stream': stream_id, 'offset': 0, 'frames': lost})
        except StoreUnavailable as error:
            # What came last is known to the client, and it may go on from there when it has connected again.
            logger.warning('Stream %s: a client that was at %d is cut off: %s', stream_id, follower.offset, error)
            with suppress(WebSocketDisconnect, OSError):
                await self._websocket.close(1013)
        except (WebSocketDisconnect, OSError):
            pass
        except Exception:
            # Such as of a log that is damaged: the client is not left waiting.
            logger.exception('Stream %s: a client that was at %d is cut off', stream_id, follower.offset)
            with suppress(WebSocketDisconnect, OSError):
                await self._websocket.close(1011)

    async def _tell(self, message: dict[str, Any]) -> None:
        await self._put(json.dumps(message))

    async def _put(self, text: str) -> None:
        self._waiting.sends()
        try:
            await self._websocket.send_text(text)
        finally:
            self._waiting.has_sent()

    async def _leave(self) -> None:
        if self._sending is not None:
            await drain(self._sending)
            self._sending = None


def _listed(frames: WireFormat, entry: bytes) -> bytes:
    payload = frames.payload(entry)
    return b'' if payload is None else payload + b','


def _is_offset(value: int) -> bool:
    return value >= 0 and not isinstance(value, bool)


def _message(text: str | None) -> dict[str, Any] | None:
    try:
        message = json.loads(text or '')
    except (ValueError, RecursionError):
        return None
    return cast('dict[str, Any]', message) if isinstance(message, dict) else None
