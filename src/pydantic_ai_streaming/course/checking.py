"""An exercise against its checks, in virtual time, with a sentence for whatever is wrong."""

from __future__ import annotations

import contextlib
import inspect
import io
import signal
import threading
import time
import warnings
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from ..testing import virtual_time
from .exercise import Exercise, load, told

__all__ = ['Verdict', 'check_file']

PREFIX = 'check_'
PATIENCE = 10
"""Real seconds after which an exercise is taken to turn in circles."""
HOUR = 3600
"""Virtual seconds after which it is taken to wait for ever, although something looks at the clock all the time."""


class _TooLongError(KeyboardInterrupt):
    """Of this kind, because an event loop swallows every other that is raised in one of its callbacks."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of a check.

    Attributes:
        done: The checks that passed, as sentences.
        missing: The check that did not; empty if all passed.
        sentence: What is wrong, for the person who wrote it.
        crashed: Whether an error ended it, and not a check.
        seconds: Real seconds that it took.
    """

    done: tuple[str, ...]
    missing: str = ''
    sentence: str = ''
    crashed: bool = False
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.sentence


def check_file(file: Path, checks: Path) -> Verdict:
    """Run the checks on a file, in their order, until one fails.

    Args:
        file: The exercise, or a solution.
        checks: A module of functions `check_...(exercise)`, synchronous or not, that fail with `assert`.

    Returns:
        What came of it; checks that do not load, such as for want of a package, are told as a crash.
    """
    began = time.perf_counter()
    done: list[str] = []
    missing = sentence = ''
    crashed = False
    try:
        functions = {name: value for name, value in vars(load(checks)).items() if name.startswith(PREFIX)}
    except Exception as error:
        return Verdict(done=(), sentence=told(error, checks), crashed=True)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), _patience() as rang:
        # A coroutine that was not awaited is told by a check, not by a warning in the middle of it.
        warnings.simplefilter('ignore')
        try:
            exercise = Exercise(load(file))
            for name, function in functions.items():
                missing = name.removeprefix(PREFIX).replace('_', ' ')
                _run(function, exercise)
                done.append(missing)
                missing = ''
        except _TooLongError:
            pass  # or another error, if it rang while the event loop had a task in its hands
        except virtual_time.DeadlockError:
            sentence = f'{file.name} waits for something that never comes.'
        except AssertionError as error:
            sentence = str(error) or f'{missing}: not yet.'
        except (Exception, SystemExit) as error:
            sentence, crashed = told(error, file), True
            if isinstance(error, ImportError):
                missing = ''  # that no check has found, and no hint helps with
    if rang:
        sentence = f'{file.name} had not come to an end after {PATIENCE} s: is there a loop that never ends?'
        crashed = False
    seconds = time.perf_counter() - began
    return Verdict(done=tuple(done), missing=missing, sentence=sentence, crashed=crashed, seconds=seconds)


def _run(function: Any, exercise: Exercise) -> None:
    if inspect.iscoroutinefunction(function):
        virtual_time.run(function(exercise), limit=HOUR)
    else:
        function(exercise)


@contextlib.contextmanager
def _patience() -> Generator[list[float]]:
    """Interrupt what turns in circles, where there are signals for it; what is given holds when that was.

    Again and again, because an interruption that comes in a finalizer is swallowed. An alarm that was set before is set
    again.
    """
    rang: list[float] = []
    if not hasattr(signal, 'setitimer') or threading.current_thread() is not threading.main_thread():
        yield rang
        return

    def ring(number: int, frame: FrameType | None) -> None:
        rang.append(time.perf_counter())
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, ring)
    began = time.monotonic()
    due, interval = signal.setitimer(signal.ITIMER_REAL, PATIENCE, PATIENCE)
    try:
        yield rang
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if due:
            signal.setitimer(signal.ITIMER_REAL, max(due - (time.monotonic() - began), 0.001), interval)
