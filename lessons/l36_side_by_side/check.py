"""Six agents, of which one may fail, be cut off, or be waited for in vain."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelConnectionError

from pydantic_ai_streaming.course import Exercise, NotYet
from pydantic_ai_streaming.testing import EndEarly, Fail, ScriptedModel, Step

NAMES = ('ada', 'ben', 'cleo', 'dan', 'eve', 'flo')


@dataclass
class Asked:
    """Agents, each with ten pieces of a tenth of a second, unless a script says otherwise; and what was shown when."""

    scripts: dict[str, list[Step | str]] = field(default_factory=dict)
    names: tuple[str, ...] = NAMES
    shown: list[tuple[float, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.models = {
            name: ScriptedModel(self.scripts.get(name, [f'{name}{number} ' for number in range(10)]), gap=0.1)
            for name in self.names
        }

    async def ask(self, exercise: Exercise) -> tuple[dict[str, str], dict[str, BaseException]]:
        """Have them asked."""
        clock = asyncio.get_running_loop().time
        began = clock()
        agents = {name: Agent(model) for name, model in self.models.items()}

        def show(name: str, piece: str) -> None:
            self.shown.append((clock() - began, name, piece))

        try:
            given = await exercise.call('ask_all', agents, 'Tea?', show)
        except ModelConnectionError as error:
            raise NotYet(f'One of {len(agents)} has failed, and your function raises its {error!r} for all.') from None
        self.took = clock() - began
        try:
            answers, errors = given
        except (TypeError, ValueError):
            raise NotYet('Answers and errors were to be given back, two dictionaries by name.') from None
        return answers, errors

    def text(self, name: str) -> str:
        """What was shown of one of them."""
        return ''.join(piece for _, whose, piece in self.shown if whose == name)


def whole(name: str) -> str:
    return ''.join(f'{name}{number} ' for number in range(10))


async def check_each_answers(exercise: Exercise) -> None:
    asked = Asked(names=NAMES[:3])
    answers, errors = await asked.ask(exercise)
    assert answers == {name: whole(name) for name in NAMES[:3]}, f'Three have answered, and you give back {answers}.'
    assert not errors, f'None has failed, and you give back the errors {errors}.'
    for name in NAMES[:3]:
        assert asked.text(name) == whole(name), f'Of {name}, {asked.text(name)!r} is shown.'


async def check_their_pieces_show_as_they_come(exercise: Exercise) -> None:
    asked = Asked(names=NAMES[:3])
    await asked.ask(exercise)
    first = next(at for at, name, _ in asked.shown if name == 'cleo')
    assert first < 0.15, f'cleo had said something after 0.1 s, and it is shown after {first:.1f} s.'


async def check_one_that_fails_does_not_concern_the_others(exercise: Exercise) -> None:
    error = ModelConnectionError('scripted', 'reset')
    asked = Asked({'ben': ['Well, ', Fail(error)]}, names=NAMES[:3])
    answers, errors = await asked.ask(exercise)
    assert set(answers) == {'ada', 'cleo'}, (
        f'The connection of ben broke after 0.2 s. ada and cleo have answered, and you give back answers of '
        f'{", ".join(answers) or "nobody"}.'
    )
    assert set(errors) == {'ben'}, f'ben has failed, and you give back errors of {", ".join(errors) or "nobody"}.'
    assert isinstance(errors['ben'], ModelConnectionError), f'ben failed with a ModelConnectionError, not {errors}.'
    assert asked.text('ben') == 'Well, ', f'ben had said "Well, " before, and {asked.text("ben")!r} is shown.'


async def check_three_at_a_time(exercise: Exercise) -> None:
    asked = Asked()
    answers, _ = await asked.ask(exercise)
    early = {name for at, name, _ in asked.shown if at < 0.9}
    assert len(early) <= 3, (
        f'Within 0.9 s, {len(early)} of the six were at work. Providers limit how many requests one may have open.'
    )
    assert set(answers) == set(NAMES), f'Six have answered, and you give back answers of {", ".join(answers)}.'
    assert asked.took < 2.3, (
        f'Each takes 1 s, so that six of them, three at a time, take 2 s. It took {asked.took:.1f} s.'
    )


async def check_half_an_answer_is_none(exercise: Exercise) -> None:
    asked = Asked({'ben': ['Well, ', EndEarly()]}, names=NAMES[:3])
    answers, errors = await asked.ask(exercise)
    assert 'ben' not in answers, (
        f'The provider of ben hung up after "Well, ", without a finish reason. You give back {answers["ben"]!r} as an '
        'answer.'
        if 'ben' in answers
        else ''
    )
    assert 'ben' in errors, f'The answer of ben was cut off; your errors are of {", ".join(errors) or "nobody"}.'


async def check_who_is_tired_of_waiting_ends_all(exercise: Exercise) -> None:
    asked = Asked()
    task = asyncio.create_task(asked.ask(exercise))
    await asyncio.sleep(0.45)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    before = len(asked.shown)
    await asyncio.sleep(5)
    more = len(asked.shown) - before
    assert more == 0, f'The function was cancelled after 0.45 s, and {more} pieces came after that.'
    still_open = [name for name, model in asked.models.items() if any(not request.closed for request in model.requests)]
    assert not still_open, f'The function was cancelled, and the connections of {", ".join(still_open)} are still open.'
