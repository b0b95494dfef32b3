"""Five questions to one model, whose answers have ten words, one every tenth of a second."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict

from pydantic_ai import Agent

from pydantic_ai_streaming.course import Exercise
from pydantic_ai_streaming.testing import ScriptedModel, reply

QUESTIONS = ['salt?', 'sky?', 'grass?', 'sand?', 'snow?']
ANSWER = 'Nobody knows, but it has been so for some time.'
PIECES = reply(ANSWER, cut='words')
ONE = len(PIECES) * 0.1  # seconds that an answer takes


class Desk:
    """What was shown and indexed, when and where."""

    def __init__(self) -> None:
        self.model = ScriptedModel(PIECES, gap=0.1, loop=True)
        self.shown: dict[str, list[tuple[float, str]]] = defaultdict(list)
        self.indexed: list[str] = []
        self.blocked = 0
        self.took = 0.0
        self.said: object = None

    async def work(self, exercise: Exercise, questions: list[str]) -> Desk:
        """Have the questions answered."""
        clock = asyncio.get_running_loop().time
        began, loop_thread = clock(), threading.get_ident()

        def show(question: str, piece: str) -> None:
            self.shown[question].append((clock() - began, piece))

        def index(answer: str) -> None:
            self.indexed.append(answer)
            self.blocked += threading.get_ident() == loop_thread

        self.said = await exercise.call('answer_all', Agent(self.model), questions, show, index)
        self.took = clock() - began
        return self

    @property
    def busiest(self) -> int:
        """How many requests were open at the same time."""
        return max(
            sum(other.opened_at <= one.opened_at < (other.closed_at or one.opened_at + 1) for other in requests)
            for requests in [self.model.requests]
            for one in requests
        )


async def check_the_answers_are_given_back(exercise: Exercise) -> None:
    desk = await Desk().work(exercise, QUESTIONS)
    expected = dict.fromkeys(QUESTIONS, ANSWER)
    assert desk.said == expected, f'Each question was to have its answer, {ANSWER!r}; you give back {desk.said!r}.'


async def check_the_answers_are_shown_as_they_come(exercise: Exercise) -> None:
    desk = await Desk().work(exercise, QUESTIONS[:2])
    for question in QUESTIONS[:2]:
        shown = desk.shown[question]
        text = ''.join(piece for _, piece in shown)
        assert text == ANSWER, f'The answer to {question!r} is {ANSWER!r}, and what is shown is {text!r}.'
        assert shown[0][0] < 0.2, (
            f'The first word on {question!r} takes 0.1 s, and is shown after {shown[0][0]:.1f} s. To gather is to wait '
            'for all of them, and a loop over the questions asks one after the other.'
        )
        assert len(shown) >= 8, f'The answer came in {len(PIECES)} pieces, and is shown in {len(shown)}.'


async def check_three_are_answered_at_the_same_time(exercise: Exercise) -> None:
    desk = await Desk().work(exercise, QUESTIONS[:3])
    assert desk.took < ONE * 1.5, f'An answer takes {ONE:.1f} s. Three of them side by side took {desk.took:.1f} s.'


async def check_no_more_than_three_are(exercise: Exercise) -> None:
    desk = await Desk().work(exercise, QUESTIONS)
    assert desk.busiest <= 3, (
        f'Five questions, and {desk.busiest} were asked at once. With five hundred, the provider answers most of them '
        'with an error, since it has a limit.'
    )
    assert desk.took < ONE * 2.5, f'Five answers, three at a time, take {ONE * 2:.1f} s. Yours took {desk.took:.1f} s.'


async def check_each_answer_is_indexed_once(exercise: Exercise) -> None:
    desk = await Desk().work(exercise, QUESTIONS)
    assert desk.indexed == [ANSWER] * 5, f'There were five answers to index, each as a whole; you index {desk.indexed}.'


async def check_indexing_holds_nobody_up(exercise: Exercise) -> None:
    desk = await Desk().work(exercise, QUESTIONS)
    assert not desk.blocked, (
        f'`index` was called {desk.blocked} times in the thread of the event loop. Until it returns, no other answer '
        'goes on, nor anything else on the server: what cannot be awaited belongs into a thread of its own.'
    )
