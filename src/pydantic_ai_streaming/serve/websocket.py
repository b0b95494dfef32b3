"""Runs over a WebSocket, one after the other, with typed frames in both directions: `serve_websocket`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from typing import Any, cast

from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ..aio.closing import drain
from ..core.pacing import Smoothing
from ..core.wording import a
from ..run.views import check_smoothing
from .frames import FrameType
from .live import LiveStream, LiveStreams
from .origins import Origins
from .refused import Refused
from .source import Source
from .wire import ending_of, last_frame

__all__ = ['serve_websocket']


async def serve_websocket(
    websocket: WebSocket,
    start: Callable[[str], Source],
    *,
    include: Collection[FrameType] | None = None,
    smoothing: Smoothing | None = None,
    longest_prompt: int = 100_000,
    origins: Collection[str] | None = None,
) -> None:
    """Answer the prompts of a client until it goes away; then the run that goes on is stopped, and a turn saved.

    The client sends `{"type": "prompt", "prompt": "..."}` and `{"type": "stop"}`. It gets the frames of each run, as
    from `SSEResponse`: `start` first, `end` or `error` last. A message that cannot be followed is answered with
    `{"type": "refused", "error": ..., "message": ...}`: `busy` (a run goes on), `too_long` or `malformed`.

    Args:
        websocket: The connection; it is accepted if it was not.
        start: Makes a run of a prompt: `chat.send`, or `lambda prompt: RunStream(agent.run_stream_events(prompt))`.
        include: As for `SSEResponse`.
        smoothing: As for `SSEResponse`.
        longest_prompt: Characters of a prompt at most.
        origins: Of pages of other sites that may connect, as for `stream_router`. Who has accepted the connection has
            let it in, whatever its `Origin`.

    Raises:
        HTTPException: A page of another site wants to connect: Starlette answers with 403.
        ImportError: Starlette is not installed; the message names the extra.
        TypeError: `start` is no function, or `smoothing` no `Smoothing`.
        ValueError: One of `origins` is none.
    """
    if not callable(start):
        raise TypeError(
            f'serve_websocket needs a function that makes a run of a prompt, not {a(start)}: chat.send, or '
            'lambda prompt: RunStream(agent.run_stream_events(prompt))'
        )
    check_smoothing(smoothing)
    allowed = Origins(origins)
    if websocket.application_state is WebSocketState.CONNECTING:
        try:
            allowed.refuse(websocket)
        except Refused as refused:
            raise HTTPException(refused.status, refused.error) from None
        await websocket.accept()
    session = _Session(websocket, start, include, smoothing, longest_prompt)
    try:
        while (message := await websocket.receive())['type'] != 'websocket.disconnect':
            await session.follow(message.get('text'))
    except (WebSocketDisconnect, OSError):
        return  # it went away while it was told something
    finally:
        await session.close()


class _Session:
    """What a client may say, and the run that it has."""

    def __init__(
        self,
        websocket: WebSocket,
        start: Callable[[str], Source],
        include: Collection[FrameType] | None,
        smoothing: Smoothing | None,
        longest_prompt: int,
    ) -> None:
        self._websocket = websocket
        self._start = start
        self._include = include
        self._smoothing = smoothing
        self._longest = longest_prompt
        self._streams = LiveStreams(linger=0)
        self._live: LiveStream | None = None
        self._sending: asyncio.Task[None] | None = None

    async def follow(self, text: str | None) -> None:
        match _message(text):
            case {'type': 'prompt', 'prompt': str(prompt)}:
                await self._prompt(prompt)
            case {'type': 'stop'}:
                if self._live is not None:
                    self._live.cancel()
            case _:
                await self._refuse('malformed', 'Send {"type": "prompt", "prompt": "..."} or {"type": "stop"}.')

    async def _prompt(self, prompt: str) -> None:
        if len(prompt) > self._longest:
            await self._refuse('too_long', f'The prompt is to have {self._longest} characters at most.')
        elif self._sending is not None and not self._sending.done():
            await self._refuse('busy', 'The last prompt is being answered: wait for that, or stop it.')
        else:
            try:
                source = self._start(prompt)
            except Exception as error:
                how = ending_of(None, error, stream_id='that was not begun')
                await self._websocket.send_text(last_frame(how))
                return
            self._live = self._streams.start(source, include=self._include, smoothing=self._smoothing)
            self._sending = asyncio.create_task(self._send(self._live), name='pydantic-ai-streaming send')

    async def _refuse(self, error: str, message: str) -> None:
        await self._websocket.send_text(json.dumps({'type': 'refused', 'error': error, 'message': message}))

    async def _send(self, live: LiveStream) -> None:
        try:
            async for one in live.read(0):
                await self._websocket.send_text(one)
        except (WebSocketDisconnect, OSError):
            live.cancel()

    async def close(self) -> None:
        if self._sending is not None:
            await drain(self._sending)
        await self._streams.stop_all()


def _message(text: str | None) -> dict[str, Any] | None:
    try:
        message = json.loads(text or '')
    except (ValueError, RecursionError):
        return None
    return cast('dict[str, Any]', message) if isinstance(message, dict) else None
