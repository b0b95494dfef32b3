"""The message history of a run at any moment, ready for the next run: `RunHistory`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse

from ..reduce.history import resumable, with_results
from ..reduce.recovery import asks_to_go_on
from .driver import Driver, History
from .watch import ModelWatch

__all__ = ['RunHistory']


class RunHistory:
    """Knows what a run was given and what it has added, also where pydantic-ai does not tell.

    Args:
        driver: What runs it.
        watch: What sees its requests, if something does.
        given: The history that it was given.
        prompt: What it asks.
    """

    def __init__(
        self, driver: Driver[Any], watch: ModelWatch | None, *, given: list[ModelMessage], prompt: ModelRequest | None
    ) -> None:
        self._driver = driver
        self._watch = watch
        self._given = given
        self._prompt = prompt
        self._asked: Sequence[ModelMessage] = ()
        self._replies_before = 0

    def asked(self, messages: Sequence[ModelMessage]) -> None:
        """The model is asked with these messages."""
        if asks_to_go_on(messages):
            # Another attempt at the same response.
            return
        self._asked = messages
        self._replies_before = _replies((self._driver.history() or self._of_request()).added)

    def so_far(self, events: Sequence[object]) -> History:
        """The history if the run, of which these are the events, ends now."""
        before, added = self._driver.history() or self._of_request()
        if not added and self._prompt is not None:
            # Stopped while it was set up: nobody was asked yet, but the prompt is not lost.
            added: list[ModelMessage] = [self._prompt]
        reply = None if self._watch is None else self._watch.reply
        if reply is not None and _replies(added) == self._replies_before:
            # A response enters the history when it is over; stopped before that, the run loses it.
            run_id = added[-1].run_id if added else None
            added = [*added, replace(reply, state='interrupted', run_id=run_id)]
        added = with_results(added, events)
        return History(before, resumable(added)) if added else History(resumable(before), [])

    def _of_request(self) -> History:
        """What `agent.run_stream` has added before its first text: it shows no messages until then."""
        given, asked = self._given, self._asked
        if not asked:
            return History(given, [])
        replies = [n for n, message in enumerate(asked) if isinstance(message, ModelResponse)]
        begin = replies[_replies(given) - 1] + 1 if _replies(given) else 0
        if not given or isinstance(given[-1], ModelResponse):
            return History(given, list(asked[begin:]))
        # The last requests that were given and the prompt were sent as one.
        return History(given, [*([] if self._prompt is None else [self._prompt]), *asked[begin + 1 :]])


def _replies(messages: Sequence[ModelMessage]) -> int:
    return sum(isinstance(message, ModelResponse) for message in messages)
