"""A form of 80 pieces, a hundred a second; the same at two a second; and with a pause in the middle of a word."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

from pydantic_ai import Agent, PromptedOutput
from pydantic_ai.exceptions import ModelConnectionError

from pydantic_ai_streaming.course import Exercise, NotYet
from pydantic_ai_streaming.testing import Fail, Response, ScriptedModel, Step, Text, reply

PLAN = 'We sail at noon, sleep in the lighthouse, and row home in the morning, if the wind lets us.'
FORM = f'{{"to": "Farland", "plan": "{PLAN} {PLAN} {PLAN}", "nights": 2}}'
EVERY = 0.1


class Page:
    """What was sent to it, and when."""

    def __init__(self, *script: Step | str, gap: float = 0.01) -> None:
        self.script = Response([*script], gap=gap)
        self.sent: list[tuple[float, dict[str, Any]]] = []
        self.said: Any = None

    async def show(self, exercise: Exercise) -> BaseException | None:
        """Have it filled in; the error of the model, if there was one."""
        clock = asyncio.get_running_loop().time
        began = clock()

        def send(form: Any) -> None:
            self.sent.append((clock() - began, form.model_dump()))

        # In its text rather than by a tool, so that a pause can be put where one wants it.
        agent = Agent(ScriptedModel(self.script), output_type=PromptedOutput(exercise.get('Trip')))
        before = asyncio.all_tasks()
        try:
            self.said = await exercise.call('fill', agent, 'A trip!', send)
        except (ModelConnectionError, ExceptionGroup) as error:
            return error
        finally:
            await asyncio.sleep(0)
            left = asyncio.all_tasks() - before
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)
        return None

    def at(self, instant: float) -> str:
        """What the page showed of the plan then."""
        return next((form['plan'] or '' for when, form in reversed(self.sent) if when <= instant + 1e-6), '')


async def check_the_whole_form_is_sent_last_and_given_back(exercise: Exercise) -> None:
    page = Page(*reply(FORM, cut=4))
    await page.show(exercise)
    whole = exercise.get('Trip').model_validate_json(FORM)
    assert page.said == whole, f'The form was to be given back, and there is {page.said!r}.'
    assert page.sent, 'Nothing was sent.'
    last = page.sent[-1][1]
    assert last == whole.model_dump(), (
        f'What the page was sent last has {last["nights"]} nights, and a plan of {len(last["plan"])} characters of '
        f'{len(whole.plan)}. What was kept back is to be sent in the end.'
    )


async def check_a_fast_model_does_not_flood_the_page(exercise: Exercise) -> None:
    page = Page(*reply(FORM, cut=4))
    await page.show(exercise)
    apart = min((later - earlier for (earlier, _), (later, _) in pairwise(page.sent[:-1])), default=1.0)
    assert apart > EVERY - 1e-6, (
        f'The model wrote for {len(FORM) / 400:.1f} s, and the page was sent {len(page.sent)} forms, {apart:.3f} s '
        'apart. Ten a second are enough, however fast the model is; count time, not characters.'
    )


async def check_the_page_keeps_up_with_the_model(exercise: Exercise) -> None:
    page = Page(*reply(FORM, cut=4))
    await page.show(exercise)
    for tenths in range(2, 8):
        come = FORM[: round((tenths - 1) * 10) * 4].partition('"plan": "')[2].partition('"')[0]
        shown = page.at(tenths / 10 + 0.005)
        assert len(shown) >= len(come), (
            f'{len(come)} characters of the plan had come by {tenths / 10 - 0.1:.1f} s, and 0.1 s later the page shows '
            f'{len(shown)}.'
        )


async def check_a_pause_of_the_model_leaves_nothing_behind(exercise: Exercise) -> None:
    for come in ('We sail at noon', 'We sail at n', 'We'):
        head, rest = FORM.split(come, 1)
        page = Page(*reply(head + come, cut=3), Text(rest, wait=5))
        await page.show(exercise)
        paused = len(reply(head + come, cut=3)) * 0.01
        assert page.at(paused + EVERY + 0.005) == come, (
            f'The model had written {come!r} of the plan, and then paused for 5 s. 0.1 s into the pause the page shows '
            f'{page.at(paused + EVERY + 0.005)!r}. Nothing comes in a pause, so whoever waits for the next piece to '
            'send waits too long: it takes a clock.'
        )


async def check_nothing_is_sent_twice(exercise: Exercise) -> None:
    page = Page(*reply(FORM[:60], cut=30), *reply(FORM[60:], cut=100), gap=0.5)
    await page.show(exercise)
    for (_, earlier), (when, later) in pairwise(page.sent[:-1]):
        assert earlier != later, f'Nothing had changed, and at {when:.1f} s the page was sent the same form again.'


async def check_what_fails_is_told(exercise: Exercise) -> None:
    broken = Fail(ModelConnectionError('scripted', 'The connection was reset'))
    error = await Page(*reply(FORM[:60], cut=4), broken).show(exercise)
    if error is None:
        raise NotYet('The connection broke in the middle of the plan, and the caller does not learn of it.')
