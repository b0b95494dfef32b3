"""Runs a run in a task of its own: records its events, watches its deadlines, and knows how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast

from pydantic_ai.exceptions import RunCancelled, RunTimedOut
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    ModelResponseStreamEvent,
    OutputToolResultEvent,
    PartStartEvent,
)
from pydantic_ai.run import AgentRunResultEvent

from ..aio.clock import running_loop
from ..aio.closing import over
from ..aio.cursor import Cursor, running_in
from ..core.deadlines import Deadlines, Due
from ..core.record import Record
from ..core.stats import StreamStats
from ..errors import InvalidOutput, StreamTimeout, StreamTruncated, StreamUsageError
from ..reduce.digest import Digest
from ..reduce.events import (
    ConnectionHeldOpenEvent,
    ResponseTruncatedEvent,
    RunEvent,
    StreamRecoveredEvent,
    WholeResponseEvent,
)
from ..reduce.history import reason_of, rejection_in
from ..reduce.truncation import is_truncated
from .driver import Driver, History
from .judge import OutputJudge
from .misuse import WAITS_FOR_ITSELF
from .mount import Asked
from .observers import ModelNames, run_begins
from .run_history import RunHistory
from .timekeeper import Timekeeper
from .watch import ModelWatch, OnTruncation, RequestObserver

__all__ = ['Finish', 'Pump']

OutputT = TypeVar('OutputT')

Finish: TypeAlias = Literal['complete', 'truncated', 'stopped', 'timed_out', 'invalid', 'failed']
"""Why a run ended: it is complete; its reply was cut off; somebody stopped it; a deadline passed; its output turned out
to be invalid, and it was stopped for that; it failed."""

SURFACE_AFTER = 0.025
"""Seconds that a run gets to unwind before views learn of a deadline all the same."""

_inside: ContextVar[tuple[object, ...]] = ContextVar('pydantic_ai_streaming_inside', default=())
"""The runs that the current task is a part of."""


class Pump(RequestObserver, Generic[OutputT]):
    """Drives one run from `start` to its end or to `stop`."""

    def __init__(
        self,
        driver: Driver[OutputT],
        *,
        deadlines: Deadlines,
        watch: ModelWatch | None,
        on_truncation: OnTruncation,
        asked: Asked,
        recovers: bool = False,
    ) -> None:
        self.driver = driver
        self.record: Record[RunEvent] = Record()
        self.finish: Finish | None = None
        self.cancellation: asyncio.CancelledError | None = None
        self._deadlines = deadlines
        self._watch = watch
        self._recovers = recovers
        self._on_truncation: OnTruncation = on_truncation
        self._history = RunHistory(driver, watch, given=asked.history, prompt=asked.prompt)
        self._used_before = asked.usage
        self._agent = asked.agent
        self._answered: list[tuple[int, ModelNames]] = []
        self._final: History | None = None
        self._truncated = False
        self._expired: Due | None = None
        self._surfacing: asyncio.TimerHandle | None = None
        self._feedback_seen = rejection_in(asked.history)
        self._refused: tuple[str, str] | None = None
        self.judge: OutputJudge | None = None
        self._invalid: InvalidOutput | None = None
        self._begun: PartStartEvent | None = None

    def start(self) -> None:
        """Start the run. Call it inside the event loop that the run is to live in."""
        self._loop = running_loop('RunStream')
        self.record.home = self._loop
        self.digest = Digest(self.record, self._loop.time())
        self._time = Timekeeper(
            self._loop,
            self._deadlines,
            late=self._late,
            finished=self._model_has_finished,
            end=self._end_finished_response,
            beat=None if self._watch is None else self._watch.beat,
        )
        # With a watch, the first request says when the provider's turn begins: setting up is not its silence.
        self._time.start(waiting=self._watch is None)
        self._task = self._loop.create_task(self._run(), name='pydantic-ai-streaming run', context=run_begins(self))
        # A task that is cancelled before it has begun never runs: its end is all that tells.
        self._task.add_done_callback(lambda _: self.finish or self._conclude(asyncio.CancelledError()))

    @property
    def started(self) -> bool:
        """Whether `start` was called."""
        return hasattr(self, '_task')

    @property
    def began(self) -> float:
        """When the run began, in seconds on the loop's clock."""
        return self._time.began

    @property
    def now(self) -> float:
        """The time on the loop's clock, in seconds."""
        return self._loop.time()

    @property
    def agent_name(self) -> str | None:
        """The name of the agent, which pydantic-ai may find only when the run begins."""
        return getattr(self._agent, 'name', None)

    def names_at(self, offset: int) -> ModelNames:
        """Which model the event at an offset is of."""
        now = ModelNames() if self._watch is None else self._watch.names
        return next((names for end, names in self._answered if offset < end), now)

    def messages(self) -> list[ModelMessage]:
        """The history, ready for the next run: while this one goes on, as if it ended now."""
        return (self._final or self._history.so_far(self.record.items)).messages

    def new_messages(self) -> list[ModelMessage]:
        """What the run has added to the history, in the same way."""
        return list((self._final or self._history.so_far(self.record.items)).added)

    def stats(self) -> StreamStats:
        """The figures so far."""
        usage, before = self.driver.usage(), self._used_before
        closed_at = self.record.closed_at
        return self.digest.meter.stats(
            self._loop.time() if closed_at is None else closed_at,
            input_tokens=max(0, usage.input_tokens - before.input_tokens),
            output_tokens=max(0, usage.output_tokens - before.output_tokens),
        )

    async def stop(self, patience: float | None = None) -> None:
        """End the run if it goes on, and wait until it has let go of everything, even if the caller is cancelled.

        With `patience` (seconds) it waits no longer than that, and then views end although the run does not.
        """
        if not self._task.done() and not self._task.cancelling():
            running_in(self._loop)
            self._task.cancel()
        if self in _inside.get():
            # A tool or a hook of the run itself: waiting for the run would be waiting for itself.
            return
        if patience is None:
            await over(self._task)
        elif not (await asyncio.wait([self._task], timeout=patience))[0]:
            self.record.close(now=self._loop.time())

    async def wait(self) -> None:
        """Wait until the end of the record, without any influence on the run. Raises where the run waits for that."""
        task = asyncio.current_task()
        inside = task is self._task or (task is not None and self._watch is not None and self._watch.waits_for(task))
        if inside and not self.record.closed:
            raise StreamUsageError(WAITS_FOR_ITSELF)
        cursor = Cursor(self.record, len(self.record))
        while not self.record.closed:
            await cursor.wait()

    # The run

    async def _run(self) -> None:
        error: BaseException | None = None
        # Known already here: with an eager task factory, all of this may happen before `start` goes on.
        self._task = cast('asyncio.Task[None]', asyncio.current_task())
        _inside.set((*_inside.get(), self))
        try:
            await self.driver.drive(self.add)
        except BaseException as e:
            error = e  # whatever ended the run is told to every view
            if self._watch is not None:
                await self._watch.end_leftovers()
        self._time.stop()
        try:
            self._conclude(error)
        finally:
            # Whatever happens here, no view waits for ever.
            self.record.close(error, now=self._loop.time())
            if self._surfacing is not None:
                self._surfacing.cancel()

    def _conclude(self, error: BaseException | None) -> None:
        now = self._loop.time()
        ended: BaseException | None = None
        if error is None:
            self.finish = 'truncated' if self._truncated else 'complete'
            self._final = self.driver.history()
        else:
            if isinstance(error, asyncio.CancelledError):
                self.cancellation = error
            self._catch_up()
            self._final = self._history.so_far(self.record.items)
            self.finish, ended = self._reason(error)
        if isinstance(ended, StreamTruncated | StreamTimeout | InvalidOutput):
            # Told already or not, it carries what there is now that the run has let go of everything.
            ended.text, ended.messages, ended.usage = self.digest.text, self.messages(), self.driver.usage()
        self.record.close(ended, now=now)

    def _catch_up(self) -> None:
        """Record the start of a part that the history has already.

        pydantic-ai tells the end of the part before it first, and a run that is stopped between the two loses it. If a
        capability holds it, to look whether it may be shown, it stays there. A continuation begins no part of its own:
        what the model has begun goes on with one that was told.
        """
        if self._begun is None or self._watch is None or not self._watch.alone:
            return
        replies = [message for message in self.messages() if isinstance(message, ModelResponse)]
        if replies and self._begun.part in replies[-1].parts:
            self._tell(self._begun)

    def _reason(self, error: BaseException) -> tuple[Finish, BaseException | None]:
        if self._expired is not None:
            return 'timed_out', self.record.error or self._timeout(self._expired)
        if self._invalid is not None:
            return 'invalid', self._invalid
        if isinstance(error, asyncio.CancelledError):
            if self._task.cancelling():
                return 'stopped', None
            # Nobody cancelled the run: a tool or a hook of it let the cancellation of something else escape.
            return 'failed', RunCancelled('A cancellation came from inside the run.', messages=self.messages())
        if isinstance(error, RunTimedOut | StreamTimeout):
            return 'timed_out', error
        if isinstance(error, RunCancelled):
            return 'stopped', error
        return ('truncated' if isinstance(error, StreamTruncated) else 'failed'), error

    def _timeout(self, due: Due) -> StreamTimeout:
        return StreamTimeout(
            phase=due.phase,
            limit=due.limit,
            elapsed=self._time.elapsed,
            text=self.digest.text,
            messages=self.messages(),
            usage=self.driver.usage(),
        )

    def add(self, event: Any) -> None:
        """An event has come."""
        now = self._loop.time()
        if self._watch is None:
            self._look_closer(event)
            self._time.sent(event, now)
        # Views may have learnt of a deadline already while the run still unwinds.
        if not self.record.closed:
            self.record.append(event, now)
        if type(event) is PartStartEvent:
            # Not always the same object: pydantic-ai may have made another one of it on the way.
            self._begun = None
        if self.judge is not None:
            self._hear(self.judge.add(event))
        if type(event) is OutputToolResultEvent and event.part.outcome == 'retried':
            # Another call of the response may still be accepted; that none was shows when the model is asked again.
            self._refused = self._refused or (str(event.part.content), event.part.tool_name)

    def judge_by(self, judge: OutputJudge) -> None:
        """Let `judge` see every event, those that have come too, and do what it says."""
        self.judge = judge
        self._hear(judge.catch_up(self.record.items))

    def _hear(self, verdict: InvalidOutput | str | None) -> None:
        if verdict is None or self.finish is not None:
            return
        if isinstance(verdict, str):
            if self._watch is not None:
                self._watch.reject(verdict)
        else:
            self._invalid = self._invalid or verdict
            if not self._task.cancelling():
                self._task.cancel()

    def _tell(self, event: RunEvent) -> None:
        if not self.record.closed:
            self.record.append(event, self._loop.time())

    # What the watch tells

    def request_opened(self, messages: Sequence[ModelMessage]) -> None:
        """The model is about to be asked."""
        self._truncated = False
        self._begun = None
        self._history.asked(messages)
        self._look_for_a_rejection()
        self._time.opened()

    def request_closed(self) -> None:
        """The response is over and its connection closed, however that came."""
        if self._watch is not None:
            self._answered.append((len(self.record), self._watch.names))
        self._time.closed(watch_on=self._expired is None)

    def response_awaited(self) -> None:
        """The run waits for what the provider sends next."""
        self._time.awaited()

    def response_left(self) -> None:
        """Whoever is between the provider and the run takes their time."""
        self._time.left()

    def response_event(self, event: ModelResponseStreamEvent) -> None:
        """The provider has sent something. Capabilities of the agent may still keep it back, or keep it."""
        if self.driver.passes_events and type(event) is PartStartEvent:
            self._begun = event
        self._time.took(event)

    def response_truncated(self, model_name: str) -> None:
        """A response ended without a finish reason, and that is only to be marked."""
        self._truncated = True
        self._tell(ResponseTruncatedEvent(model_name=model_name))

    def response_whole(self, model_name: str, reason: str) -> None:
        """The model cannot stream, so it was asked for a whole response."""
        self._tell(WholeResponseEvent(model_name=model_name, reason=reason))

    def response_recovered(self, event: StreamRecoveredEvent) -> None:
        """The model is asked again. Where the events of the run are read, this one is among them."""
        if not self.driver.passes_events:
            self._tell(self.driver.recovered(event, self.digest.response_text))

    def _rejected(self, reason: str, tool_name: str | None = None) -> None:
        self._tell(self.digest.rejection(reason, tool_name=tool_name))

    def _look_for_a_rejection(self) -> None:
        # In the history the feedback still is what it is; the request to the model says it in its own words. A request
        # may be sent more than once (another model after a failure), with the same feedback.
        history = self.driver.history()
        feedback = None if history is None else rejection_in(history.messages)
        if feedback is not None and feedback is not self._feedback_seen:
            self._feedback_seen = feedback
            self._rejected(reason_of(feedback))
        elif self._refused is not None:
            self._rejected(*self._refused)
        self._refused = None

    def _look_closer(self, event: object) -> None:
        """Without a watch, requests show only in the history, and truncation only in the result."""
        if type(event) is PartStartEvent and event.index == 0:
            self._look_for_a_rejection()
        elif isinstance(event, AgentRunResultEvent) and is_truncated(
            response := cast('AgentRunResultEvent[Any]', event).result.response
        ):
            name = response.model_name or 'the model'
            if self._on_truncation == 'raise':
                raise StreamTruncated(model_name=name)
            self.response_truncated(name)

    # Time

    def _late(self, due: Due) -> None:
        if self._task.cancelling() or (due.phase != 'total' and self._end_finished_response()):
            # One that is on its way out is not late; and a second cancellation would meet it while it closes things.
            return
        # With a recovery the response fails, and the run only if there is nothing more to try.
        watch = self._watch if self._recovers and due.phase != 'total' else None
        if watch is not None and watch.fail_response(self._timeout(due)):
            return
        self._expired = due
        self._task.cancel()
        self._surfacing = self._loop.call_later(SURFACE_AFTER, self._surface)

    def _surface(self) -> None:
        """The run does not unwind (a tool blocks a thread, say): views learn of the deadline now."""
        if self._expired is not None and not self.record.closed:
            self.record.close(self._timeout(self._expired), now=self._loop.time())

    def _model_has_finished(self) -> bool:
        return self._watch is not None and self._watch.finished

    def _end_finished_response(self) -> bool:
        if self._watch is None or not self._watch.finished:
            return False
        waited = self._time.silent
        if not self._watch.end_response():
            return False
        self._tell(ConnectionHeldOpenEvent(waited=waited))
        return True
