"""Several runs side by side: `merge` starts them, and shows what comes of all of them as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from contextvars import ContextVar
from functools import partial
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar, cast

from ..aio.closing import over
from ..aio.cursor import Cursor, running_in
from ..core.pacing import Smoothing
from ..core.record import Record
from ..core.wording import a
from ..errors import StreamUsageError
from ..partials.partial_output import PartialOutput
from ..reduce.content import text_in, thinking_in
from ..reduce.events import RunEvent
from ..reduce.tool_call import ToolCall
from .lane import Arrivals, Lane
from .merged_views import MergedPacedView, MergedView, Step
from .misuse import MergedOnly, SyncOnly
from .mount import output_type_of
from .output_views import PartialOutputView
from .partials import OnInvalid
from .stream import RunStream
from .tool_views import ToolCallView
from .views import TextView, check_smoothing, text_view

__all__ = ['Merged', 'OnError', 'merge']

K = TypeVar('K', bound=Hashable)
OutputT = TypeVar('OutputT')
ItemT = TypeVar('ItemT')

OnError: TypeAlias = Literal['raise', 'isolate']
"""What the failure of one run means for the others: it ends them too, or they go on."""

_inside: ContextVar[tuple[object, ...]] = ContextVar('pydantic_ai_streaming_inside_merged', default=())
"""The merged runs that the current task is a part of."""


def merge(
    streams: Mapping[K, AbstractAsyncContextManager[RunStream[OutputT]]],
    *,
    at_once: int | None = None,
    on_error: OnError = 'raise',
) -> Merged[K, OutputT]:
    """Run several runs side by side, and view what comes of them as one.

    `async with merge(...) as runs:` starts them, in the order given; leaving the context stops those that go on, closes
    their connections and waits until no task is left. A run that waits for its turn has not started, and its deadlines
    count from when it does.

    `on_error='raise'` is the default since an error that nobody asks for is then not lost: with `'isolate'` it is up to
    the program to look at `Merged.errors`.

    Args:
        streams: What to run under which name: `RunStream`s that are not entered yet, or turns of different chats
            (`chat.send(...)`).
        at_once: How many run at the same time; all by default.
        on_error: With `'raise'` the first failure stops the others, and views raise it after what came before it; if
            nobody has seen it, leaving the context raises it. With `'isolate'` the others go on, nothing is raised, and
            `Merged.errors` tells.

    Raises:
        TypeError: `streams` is no mapping of names to streams; or `at_once` is no int.
        ValueError: There are no streams, or `at_once` is not positive, or `on_error` is something else.
        StreamUsageError: A stream is there twice, or was entered already.

    Example:
        ```python
        import asyncio

        from pydantic_ai import Agent
        from pydantic_ai_streaming import RunStream, merge
        from pydantic_ai_streaming.testing import ScriptedModel

        agents = {
            'deep': Agent(ScriptedModel(['It is ', 'six by seven.'], gap=0.1)),
            'quick': Agent(ScriptedModel(['Forty', '-two.'], gap=0.02)),
        }


        async def main():
            streams = {name: RunStream(agent.run_stream_events('6 * 7?')) for name, agent in agents.items()}
            async with merge(streams) as runs:
                async for name, piece in runs.text():
                    print(name, repr(piece))
            print(runs.outputs)


        asyncio.run(main())
        #> quick 'Forty'
        #> quick '-two.'
        #> deep 'It is '
        #> deep 'six by seven.'
        #> {'deep': 'It is six by seven.', 'quick': 'Forty-two.'}
        ```
    """
    _check(streams, at_once, on_error)
    return Merged(streams, at_once=at_once, on_error=on_error)


def _check(streams: object, at_once: object, on_error: object) -> None:
    if not isinstance(streams, Mapping):
        raise TypeError(f"merge needs names: merge({{'a': RunStream(...), ...}}), not {a(streams)}.")
    if not streams:
        raise ValueError('merge needs at least one stream, and the mapping is empty.')
    if at_once is not None and (isinstance(at_once, bool) or not isinstance(at_once, int)):
        raise TypeError(f'at_once={at_once!r}: use a number of runs, or None for all at once')
    if at_once is not None and at_once < 1:
        raise ValueError(f'at_once={at_once}: at least one has to run, or none ever would')
    if on_error not in ('raise', 'isolate'):
        raise ValueError(f"on_error={on_error!r}: use 'raise' or 'isolate'")
    given: set[int] = set()
    for name, stream in cast('Mapping[object, Any]', streams).items():
        _check_stream(name, stream)
        if id(stream) in given:
            raise StreamUsageError(f'The stream of {name!r} is there twice, and a run runs once: make one for each.')
        given.add(id(stream))


def _check_stream(name: object, stream: Any) -> None:
    is_stream = isinstance(stream, RunStream)
    # A turn, or a context of somebody's own: what it gives shows when it is entered. An agent's run gives none.
    may_give_one = hasattr(stream, '__aenter__') and output_type_of(stream) is None and not isinstance(stream, SyncOnly)
    if not is_stream and not may_give_one:
        raise TypeError(f'{name!r} is {a(stream)}: merge needs RunStream(agent.run_stream_events(...)).')
    if is_stream and stream.started:
        raise StreamUsageError(f'{name!r} was entered already: merge enters the streams itself, when they may run.')


class Merged(MergedOnly, Generic[K, OutputT]):
    """Several runs side by side, as `merge` describes them. Enter it to start them.

    Views yield pairs of a name and what the view of that run shows, in the order in which it came. They are like those
    of a `RunStream`: any number of them, each at its own speed, late or after the end, dropped anywhere; none holds up
    a model. For all that concerns one run, `streams` has its `RunStream`.
    """

    def __init__(
        self,
        streams: Mapping[K, AbstractAsyncContextManager[RunStream[OutputT]]],
        *,
        at_once: int | None,
        on_error: OnError,
    ) -> None:
        self._arrivals: Arrivals[K, OutputT] = Record()
        self._lanes = {name: Lane(name, source, self._arrivals) for name, source in streams.items()}
        self._places = asyncio.Semaphore(at_once or len(self._lanes))
        self._on_error: OnError = on_error
        self._tasks: dict[K, asyncio.Task[None]] = {}
        self._error_seen = False

    async def __aenter__(self) -> Self:
        if self._tasks:
            raise StreamUsageError('These runs were entered before, and a run runs once: merge new streams.')
        self._loop = self._arrivals.home = asyncio.get_running_loop()
        for name, lane in self._lanes.items():
            task = self._loop.create_task(self._run(lane), name=f'pydantic-ai-streaming merge {name}')
            # A task that is cancelled before it has begun never runs: its end is all that tells.
            task.add_done_callback(partial(self._task_ended, lane))
            self._tasks[name] = task
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()
        if error is not None or self._on_error == 'isolate' or self._error_seen:
            return
        arrivals = self._read()
        if arrivals.error is not None:
            arrivals.end()
        for failure in self.errors.values():
            # It came when all runs were over: a turn that could not be saved.
            self._error_seen = True
            raise failure

    # The runs

    async def _run(self, lane: Lane[K, OutputT]) -> None:
        _inside.set((*_inside.get(), self))
        try:
            # With an eager task factory this goes on inside `create_task`: first all tasks are to be known.
            await asyncio.sleep(0)
            async with self._places, lane.source as stream:
                if not isinstance(stream, RunStream):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
                    raise TypeError(f'The context of {lane.name!r} gave {a(stream)}, no RunStream.')
                lane.follow(stream)
                with suppress(asyncio.CancelledError):
                    # Stopped, the stream is left as after a `break`: leaving then raises what there is to tell.
                    await lane.wait()
                # Told before the run has let go of everything, which may take as long as a tool that blocks a thread.
                if lane.failure is not None:
                    self._failed(lane, lane.failure)
                if lane.ended:
                    self._over(lane)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._failed(lane, error)
        finally:
            self._over(lane)

    def _failed(self, lane: Lane[K, OutputT], error: BaseException) -> None:
        lane.error = lane.error or error
        if self._on_error == 'raise' and not self._arrivals.closed:
            self._arrivals.close(error, now=self._loop.time())
            self._cancel(name for name in self._lanes if name != lane.name)

    def _over(self, lane: Lane[K, OutputT]) -> None:
        lane.over = True
        if all(lane.over for lane in self._lanes.values()):
            self._arrivals.close(now=self._loop.time())

    def _task_ended(self, lane: Lane[K, OutputT], _: object) -> None:
        self._over(lane)

    def _cancel(self, names: Iterable[K]) -> None:
        for name in names:
            if not self._lanes[name].over and not self._tasks[name].cancelling():
                self._tasks[name].cancel()

    async def stop(self, *names: K) -> None:
        """End runs, also those that wait for their turn, and wait until they have let go of everything.

        What has come of them stays, and they have no output. Safe to call from any task of the same event loop, and
        again.

        Args:
            *names: Which; all by default.

        Raises:
            StreamUsageError: The runs have not started, or go on in another event loop.
            KeyError: There is no run of that name.
        """
        self._started()
        for name in names:
            if name not in self._lanes:
                raise KeyError(f'No run is named {name!r}: there are {", ".join(map(repr, self._lanes))}')
        tasks = [self._tasks[name] for name in names or self._lanes]
        for task in tasks:
            running_in(None if task.done() else task.get_loop())
        self._cancel(names or self._lanes)
        if self in _inside.get():
            # A tool or a hook of one of the runs: waiting for them would be waiting for itself.
            return
        await over(*tasks)

    # Views

    def text(self, *, smoothing: Smoothing | None = None) -> AsyncIterator[tuple[K, str]]:
        """View the text of the runs: each piece with the name of its run. Otherwise like `RunStream.text`.

        Args:
            smoothing: How to pace the text of each run; `None` yields pieces as they come.

        Raises:
            StreamUsageError: The runs have not started.
            Exception: The first failure, with `on_error='raise'`.
        """
        return self._text(text_in, smoothing)

    def thinking(self, *, smoothing: Smoothing | None = None) -> AsyncIterator[tuple[K, str]]:
        """View what the models think, as far as the providers show it. Otherwise like `text`."""
        return self._text(thinking_in, smoothing)

    def events(self) -> AsyncIterator[tuple[K, RunEvent]]:
        """View all events of the runs, in order. Raises as `text`."""

        def opened(stream: RunStream[OutputT]) -> Step[RunEvent]:
            cursor = stream.events()
            return lambda: [event for _, event in cursor.take(1)]

        return self._view(opened)

    def partial_outputs(self, *, on_invalid: OnInvalid = 'report') -> AsyncIterator[tuple[K, PartialOutput[OutputT]]]:
        """View the structured outputs as they fill in.

        Args:
            on_invalid: As for `RunStream.partial_outputs`, for each of the runs.

        Raises:
            StreamUsageError: The output of a run is plain text; when the first of that run comes.
            Exception: As `text`.
        """

        def opened(stream: RunStream[OutputT]) -> Step[PartialOutput[OutputT]]:
            return cast('PartialOutputView[OutputT]', stream.partial_outputs(on_invalid=on_invalid)).step

        return self._view(opened)

    def tool_calls(self) -> AsyncIterator[tuple[K, ToolCall]]:
        """View the tool calls of the runs: a `ToolCall` whenever something becomes of one. Raises as `text`."""
        return self._view(lambda stream: cast('ToolCallView', stream.tool_calls()).step)

    def _text(self, read: Callable[[object], str], smoothing: Smoothing | None) -> AsyncIterator[tuple[K, str]]:
        check_smoothing(smoothing)
        if smoothing is None:
            return self._view(lambda stream: cast('TextView', text_view(stream.events(), read, None)).step)
        return MergedPacedView(self._read(), lambda stream: cast('Any', text_view(stream.events(), read, smoothing)))

    def _view(self, opened: Callable[[RunStream[OutputT]], Step[ItemT]]) -> MergedView[K, OutputT, ItemT]:
        return MergedView(self._read(), opened)

    def _read(self) -> Cursor[Lane[K, OutputT]]:
        self._started()
        return Cursor(self._arrivals, on_error=self._saw_error)

    # What is known at any moment

    @property
    def streams(self) -> dict[K, RunStream[OutputT]]:
        """The streams of the runs that have begun, in the order given, for `stats`, `messages` and all the rest."""
        return {name: lane.stream for name, lane in self._lanes.items() if lane.stream is not None}

    @property
    def outputs(self) -> dict[K, OutputT]:
        """The validated outputs of the runs that have one by now, in the order given."""
        complete = ('complete', 'truncated')
        return {
            name: stream.output
            for name, stream in self.streams.items()
            if stream.finish in complete and self._lanes[name].failure is None
        }

    @property
    def errors(self) -> dict[K, BaseException]:
        """What runs have failed with so far, in the order given; those that were only stopped are not among them."""
        return {name: lane.error for name, lane in self._lanes.items() if lane.error is not None}

    async def get_outputs(self) -> dict[K, OutputT]:
        """Wait until all runs are over and return `outputs`.

        Raises:
            StreamUsageError: The runs have not started.
            Exception: The first failure, with `on_error='raise'`.
        """
        arrivals = self._read()
        while not self._arrivals.closed:
            await arrivals.wait()
        if arrivals.error is not None:
            arrivals.end()
        return self.outputs

    def _started(self) -> None:
        if not self._tasks:
            raise StreamUsageError(
                'The runs have not started: enter them first, with `async with merge(...) as runs:`.'
            )

    def _saw_error(self) -> None:
        self._error_seen = True
