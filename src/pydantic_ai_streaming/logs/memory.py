"""Streams in the memory of this process: `MemoryLog`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from .backend import LogBackend
from .heads import Head, Refusal, Slice, Wanted, Write, apply, cut
from .log import StreamLog

__all__ = ['MemoryBackend', 'MemoryLog']


@dataclass(slots=True)
class _Stream:
    head: Head
    entries: list[bytes] = field(default_factory=list[bytes])


@dataclass(slots=True, eq=False)
class _Listener:
    # No queue: the collector cannot take one that is waited for in a loop which was closed.
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    heard: list[dict[str, int | None]] = field(default_factory=list[dict[str, 'int | None']])
    more: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryBackend(LogBackend):
    """A dictionary, on the clock of the event loop. Several logs of that loop may share it."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}
        self._listeners: set[_Listener] = set()

    async def open(self) -> None:  # noqa: D102 - as LogBackend
        pass

    async def close(self) -> None:  # noqa: D102 - as LogBackend
        pass

    async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | None]:  # noqa: D102
        now = asyncio.get_running_loop().time()
        outcomes = [self._write(write, now) for write in writes]
        if len(self._listeners) > 1:  # another log than the one that writes; a single one knows what it has written
            for write, outcome in zip(writes, outcomes, strict=True):
                if not (write.quiet or isinstance(outcome, Refusal)):
                    version = None if outcome is None or write.create is not None else outcome.version
                    self._tell({write.stream_id: version})
        return outcomes

    def _tell(self, changed: dict[str, int | None]) -> None:
        for listener in tuple(self._listeners):
            if listener.loop.is_closed():
                self._listeners.discard(listener)
            else:
                listener.heard.append(changed)
                listener.more.set()

    def _write(self, write: Write, now: float) -> Head | Refusal | None:
        stream = self._streams.get(write.stream_id)
        outcome = apply(None if stream is None else stream.head, write, now)
        if isinstance(outcome, Refusal):
            return outcome
        if outcome is None:
            self._streams.pop(write.stream_id, None)
        else:
            if stream is None or stream.head.incarnation != outcome.incarnation:
                stream = self._streams[write.stream_id] = _Stream(outcome)
            stream.head = outcome
            stream.entries += write.entries
        return outcome

    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:  # noqa: D102
        now = asyncio.get_running_loop().time()
        return [self._read(one, now) for one in wanted]

    def _read(self, wanted: Wanted, now: float) -> Slice | None:
        stream = self._streams.get(wanted.stream_id)
        if stream is None or stream.head.expired(now):
            return None
        return Slice(stream.head, wanted.start, cut(stream.entries, wanted.start, wanted.limit, wanted.size))

    async def lapsed(self) -> Sequence[str]:  # noqa: D102
        now = asyncio.get_running_loop().time()
        heads = [stream.head for stream in self._streams.values()]
        return [head.stream_id for head in heads if head.lapsed(now) and not head.expired(now)]

    async def owned(self, owner: str) -> Sequence[Head]:  # noqa: D102
        now = asyncio.get_running_loop().time()
        heads = [stream.head for stream in self._streams.values()]
        return [head for head in heads if head.owner == owner and not head.expired(now)]

    async def sweep(self) -> None:  # noqa: D102
        now = asyncio.get_running_loop().time()
        expired = [one for one, stream in self._streams.items() if stream.head.expired(now)]
        for stream_id in expired:
            del self._streams[stream_id]
        self._tell(dict.fromkeys(expired))

    async def changes(  # noqa: D102
        self, watched: Callable[[], Collection[str]]
    ) -> AsyncGenerator[Mapping[str, int | None], None]:
        listener = _Listener()
        self._listeners.add(listener)
        try:
            yield dict.fromkeys(watched())
            while True:
                await listener.more.wait()
                listener.more.clear()
                heard, listener.heard = listener.heard, []
                for changed in heard:
                    yield changed
        finally:
            self._listeners.discard(listener)


class MemoryLog(StreamLog):
    """Streams that live as long as this process, and no longer: the default.

    Args:
        lease: Seconds after which a producer that has not renewed its lease counts as dead.

    Example:
        ```python
        import asyncio

        from pydantic_ai_streaming.logs import MemoryLog


        async def main():
            async with MemoryLog() as log:
                producer = await log.create('a')
                await producer.append([b'one', b'two'])
                await producer.close([b'end'])
                async for part in await log.follow('a', offset=1):
                    print(part.start, part.entries)


        asyncio.run(main())
        #> 1 [b'two', b'end']
        ```
    """

    def __init__(self, *, lease: float = 10.0) -> None:
        super().__init__(MemoryBackend(), lease=lease)
