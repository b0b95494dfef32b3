"""Plays the demo from beginning to end: clock, stage, interruption, and what to say when it goes wrong."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pydantic_ai.exceptions import AgentRunError
from pydantic_ai.models import Model

from ..core.cutting import Unit
from ..core.pacing import Smoothing
from ..display.sheet import Sheet
from ..errors import StreamingError
from ..run.stream import RunStream
from .clock import loop_factory
from .models import ModelUnavailableError, find_model, sentence
from .scenes import live, scripted
from .stage import Stage

__all__ = ['Options', 'perform', 'play']

INTERRUPTED = 130
"""The exit code of a program that SIGINT has ended: 128 + 2."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line asks for.

    Attributes:
        model: Name of a real model; `None` for the script.
        prompt: What to ask it; `None` for a prompt that makes it use the tool.
        plain: Lines only, no columns.
        speed: How many times as fast the script is played; `math.inf` waits for nothing.
        by: What is shown whole.
        max_lag: Seconds that it waits at most.
    """

    model: str | None = None
    prompt: str | None = None
    plain: bool = False
    speed: float | None = None
    by: Unit = 'word'
    max_lag: float = 0.4


def play(options: Options) -> int:
    """Play the demo and return its exit code."""
    # Nobody watches a pipe.
    speed = options.speed or (1.0 if options.model or Sheet().is_terminal else float('inf'))
    stage = Stage(smoothing=Smoothing(by=options.by, max_lag=options.max_lag), plain=options.plain)
    try:
        model = find_model(options.model) if options.model else None
        introduce(stage, options, speed)
        with asyncio.Runner(loop_factory=loop_factory(speed)) as runner:
            runner.run(perform(stage, model, options.prompt))
    except ModelUnavailableError as error:
        return fail(str(error), 2)
    except (AgentRunError, StreamingError) as error:
        return fail(sentence(error, options.model or 'the script'), 1)
    except KeyboardInterrupt:
        return INTERRUPTED
    if not options.model:
        stage.say('\nWith a model: pydantic-ai-streaming demo --model PROVIDER:MODEL')
    return 0


def introduce(stage: Stage, options: Options, speed: float) -> None:
    """Say what this is, and that a script is a script."""
    stage.say(f'pydantic-ai-streaming {version("pydantic-ai-streaming")}', 'bold')
    if options.model:
        return
    words = 'A scripted run: no model is called, these replies and their timing are written into the demo.'
    if speed == float('inf'):
        words += ' The clock jumps over the waits, so the times are those of the script.'
    elif speed != 1:
        words += f' The clock runs {speed:g} times as fast.'
    stage.say(words)


async def perform(stage: Stage, model: Model | None, prompt: str | None = None) -> None:
    """Play the scenes, or the run of a model; when interrupted, say what is kept."""
    try:
        await (scripted(stage) if model is None else live(stage, model, prompt))
    except asyncio.CancelledError:
        stage.say()
        stage.say(f'Interrupted. {kept(stage.stream)}', 'bold')
        raise
    except (AgentRunError, StreamingError):
        if stage.stream is not None and stage.stream.text_so_far:
            stage.say(f'\n{kept(stage.stream)}')
        raise


def kept(stream: RunStream[Any] | None) -> str:
    """What is left of a run that did not come to its end."""
    if stream is None:
        return 'No run had begun.'
    if stream.finish == 'complete':
        return 'The last run was complete.'
    characters, messages = len(stream.text_so_far), len(stream.messages)
    return (
        f'Kept: {characters} characters in stream.text_so_far, and stream.messages ({messages}) for the next run. '
        'The connection is closed and no task is left.'
    )


def fail(message: str, code: int) -> int:
    """Say it on standard error."""
    Sheet(sys.stderr).line(message, 'red')
    return code
