"""Changes a run that has been described (`agent.run_stream_events(...)`) but has not started: `mount` and `tap`.

`RunStream` wraps the call that the user has written, so it comes too late for `capabilities=[...]`, and pydantic-ai has
no public way to add one to the context manager that the call returned. Both kinds hold the arguments of the call until
the run starts: `run_stream_events` in the closure of the function that starts it, `run_stream` as `contextlib` keeps
them. They are changed there, for this one run. Where they are not found (an agent class that does it its own way, a
later pydantic-ai), nothing is changed and `mount` says so; the stream then works without what the capability adds.

`tap` takes the events where the run has them. pydantic-ai sends each through a channel of size zero to whoever iterates
them, which costs more than all else that happens to an event, and can hold one back that the history already has.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from copy import copy
from inspect import unwrap
from types import CellType, CodeType, FunctionType
from typing import Any, NamedTuple, TypeVar, cast

from pydantic_ai.agent import EventStreamHandler
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.conversation import Conversation
from pydantic_ai.messages import AgentStreamEvent, ModelMessage, ModelRequest, UserPromptPart
from pydantic_ai.tools import RunContext
from pydantic_ai.usage import RunUsage

from ..errors import StreamUsageError
from .durable import is_durable

__all__ = ['Asked', 'asked_of', 'asks_again', 'mount', 'output_type_of', 'tap']

RunT = TypeVar('RunT', bound=AbstractAsyncContextManager[Any])


def mount(run: RunT, capability: AbstractCapability[Any]) -> tuple[RunT, bool]:
    """Return the run with the capability added, innermost, and whether that was possible.

    Inside a durable workflow it is not: there an agent has all its capabilities before the workflow begins.

    The run that comes back is to be used in place of the one that was given.
    """
    if is_durable(getattr(_given(run).get('self'), 'root_capability', None)):
        if getattr(capability, 'recovery', None) is not None:
            raise StreamUsageError(
                'A recovery cannot be had in a durable workflow: a step that fails is repeated by the workflow itself. '
                'Leave it out, and give the step its retries.'
            )
        return run, False
    cell = _cells(run).get('capabilities')
    if cell is not None:
        cell.cell_contents = [*(cell.cell_contents or ()), capability]
        return run, True
    arguments = _arguments(run)
    if arguments is None:
        return run, False
    function, positional, keywords = arguments
    capabilities = [*(keywords.get('capabilities') or ()), capability]
    return function(*positional, **{**keywords, 'capabilities': capabilities}), True


def tap(run: AbstractAsyncContextManager[Any], sink: Callable[[Any], None]) -> None:
    """Have the events of a run go to `sink` as they happen, where that is possible. They are then not iterated.

    The result still comes by iterating, and so do the events of a run that cannot be tapped.
    """
    start = getattr(run, '_run_agent', None)
    if not isinstance(start, FunctionType):
        return

    async def handler(context: RunContext[Any], events: AsyncIterable[AgentStreamEvent]) -> None:
        async for event in events:
            sink(event)
            # A model may have more to say without ever waiting: everybody else gets their turn in between.
            await asyncio.sleep(0)

    async def start_tapped(_: EventStreamHandler[Any]) -> Any:
        return await start(handler)

    setattr(run, '_run_agent', start_tapped)  # noqa: B010


class Asked(NamedTuple):
    """What a run was given, as far as it had it and it can be found."""

    history: list[ModelMessage]
    prompt: ModelRequest | None
    usage: RunUsage
    """What was used before it; pydantic-ai adds to that."""
    agent: Any
    """The agent; `None` where it cannot be found."""


def asked_of(run: AbstractAsyncContextManager[Any]) -> Asked:
    """The message history, the prompt, the usage and the agent that a run was given."""
    given = _given(run)
    conversation: Conversation | None = given.get('conversation')
    history = conversation.messages if conversation is not None else given.get('message_history')
    usage = conversation.usage if conversation is not None else given.get('usage')
    prompt = given.get('user_prompt')
    request = None if prompt is None else ModelRequest(parts=[UserPromptPart(prompt)])
    messages = list(cast('Sequence[ModelMessage] | None', history) or ())
    return Asked(messages, request, copy(usage or RunUsage()), given.get('self'))


def output_type_of(run: AbstractAsyncContextManager[Any]) -> Any:
    """The output type of a run, as its agent or the call says; `None` where it cannot be found."""
    given = _given(run)
    return given.get('output_type') or getattr(given.get('self'), 'output_type', None)


def asks_again(run: AbstractAsyncContextManager[Any]) -> bool:
    """Whether the run itself asks the model again for a rejected output: `run_stream_events` does, `run_stream` not."""
    return hasattr(run, '_run_agent')


def _given(run: AbstractAsyncContextManager[Any]) -> dict[str, Any]:
    cells = _cells(run)
    if cells:
        names = ('conversation', 'message_history', 'usage', 'user_prompt', 'output_type', 'self')
        return {name: cells[name].cell_contents for name in names if name in cells}
    arguments = _arguments(run)
    if arguments is None:
        return {}
    _, positional, keywords = arguments
    # The agent comes first, the prompt is the only argument that may follow without its name.
    return {**dict(zip(('self', 'user_prompt'), positional, strict=False)), **keywords}


def _cells(run: object) -> dict[str, CellType]:
    start = getattr(run, '_run_agent', None)
    if not isinstance(start, FunctionType) or start.__closure__ is None:
        return {}
    return dict(zip(start.__code__.co_freevars, start.__closure__, strict=True))


def _arguments(run: object) -> tuple[Any, tuple[Any, ...], dict[str, Any]] | None:
    # contextlib keeps what a generator-based context manager was made from, so that it can be made again.
    generator_function, positional, keywords = (getattr(run, name, None) for name in ('func', 'args', 'kwds'))
    if not callable(generator_function) or not isinstance(positional, tuple) or not isinstance(keywords, dict):
        return None
    if 'capabilities' not in _parameters(generator_function):
        # Somebody's own context manager around a run, which knows of no capabilities.
        return None

    def again(*args: Any, **kwargs: Any) -> Any:
        return type(run)(generator_function, args, kwargs)  # pyright: ignore[reportCallIssue] - contextlib's private class takes these three

    return again, cast('tuple[Any, ...]', positional), cast('dict[str, Any]', keywords)


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    # Not `inspect.signature`, which reads the annotations too. Since Python 3.14 that evaluates them, and they may name
    # what only a type checker imports: https://docs.python.org/3.14/library/annotationlib.html
    code = getattr(unwrap(function), '__code__', None)
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if isinstance(code, CodeType) else ()
