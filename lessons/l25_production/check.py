"""A rush of questions, answers that fall silent or never end, readers who go away, and the end of the service."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_ai import ModelConnectionError

from pydantic_ai_streaming.course import Exercise, NotYet
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Stall, Step, Text

SECRET = 'whisper '
ANSWER: list[Step | str] = [SECRET, 'it ', 'softly.']


class Running:
    """A service with a scripted model, and what it logs."""

    def __init__(self, exercise: Exercise, *responses: list[Step | str], gap: float = 1) -> None:
        self.model = ScriptedModel(*responses, gap=gap, loop=True)
        self.log: list[str] = []
        self.service: Any = exercise.get('Service')(self.model, self.log.append)

    def asks(self, question: str) -> asyncio.Task[str]:
        """Ask, without waiting for the answer."""
        return asyncio.create_task(self.service.answer(question))

    async def ends(self, *tasks: asyncio.Task[str]) -> list[str]:
        """What answers give back, ten minutes after they were asked for at most."""
        if (await asyncio.wait(tasks, timeout=600))[1]:
            raise NotYet('After ten minutes, an answer is still waited for, which never ends.')
        said = await asyncio.gather(*tasks, return_exceptions=True)
        for one in said:
            if not isinstance(one, str):
                raise NotYet(f'`answer` is to give back the text that came, and there was {one!r}.')
        return list(map(str, said))

    async def shut_down(self) -> float:
        """End the service with a grace of ten seconds; how long it took."""
        began = asyncio.get_running_loop().time()
        await self.service.shut_down(10)
        return asyncio.get_running_loop().time() - began

    def kept(self, question: str) -> str:
        """The text of the model in what is kept of a question."""
        messages = self.service.kept.get(question, [])
        return ''.join(str(part.content) for m in messages for part in m.parts if part.part_kind == 'text')

    def logged(self, *finishes: str) -> None:
        """See to it that the log has these, in some order, and nothing that was said."""
        said = [line for line in self.log if SECRET.strip() in line]
        assert not said, f'The log is read by others than the answer, and has {said[0]!r}.'
        many = len(finishes)
        assert len(self.log) == many, (
            f'The log is to have a line for each answer, so {many} by now, and has {self.log}.'
        )
        missing = [finish for finish in finishes if sum(finish in line for line in self.log) < finishes.count(finish)]
        assert not missing, f'An answer ended as {missing[0]!r}, and the log has {self.log}.'


async def check_an_answer_is_given_kept_and_logged(exercise: Exercise) -> None:
    running = Running(exercise, ANSWER)
    [text] = await running.ends(running.asks('Q'))
    assert text == 'whisper it softly.', f'The answer is "whisper it softly.", and you give back {text!r}.'
    assert running.kept('Q') == text, f'The answer is {text!r}, and of it is kept: {running.kept("Q")!r}.'
    running.logged('complete')


async def check_three_are_answered_at_a_time(exercise: Exercise) -> None:
    running = Running(exercise, ANSWER)
    tasks = [running.asks(f'Q{number}') for number in range(7)]
    most = 0
    while not all(task.done() for task in tasks):
        most = max(most, sum(request.closed is None for request in running.model.requests))
        await asyncio.sleep(0.5)
    await running.ends(*tasks)
    assert most <= 3, f'Seven asked at once, and {most} requests were open at once, where three are allowed.'
    asked = len(running.model.requests)
    assert asked == 7, f'Seven asked, and {asked} were answered. Those for whom there is no seat are to wait.'
    assert most == 3, f'Seven asked, and {most} at most were answered at a time, where there are three seats.'


async def check_a_silence_frees_its_seat(exercise: Exercise) -> None:
    running = Running(exercise, [SECRET, Stall()], [SECRET, Stall()], [SECRET, Stall()], ANSWER)
    tasks = [running.asks(f'Q{number}') for number in range(4)]
    first, *_, last = await running.ends(*tasks)
    assert last == 'whisper it softly.', f'Three answers were silent, and the fourth, which was not, is {last!r}.'
    assert first == SECRET, f'{SECRET!r} came before the silence, and you give back {first!r}.'
    assert running.kept('Q0') == SECRET, f'{SECRET!r} came before the silence; kept is {running.kept("Q0")!r}.'
    running.logged('timed_out', 'timed_out', 'timed_out', 'complete')


async def check_no_answer_goes_on_for_ever(exercise: Exercise) -> None:
    running = Running(exercise, [Text(f'{number} ', wait=2) for number in range(200)])
    began = asyncio.get_running_loop().time()
    await running.ends(running.asks('Q'))
    took = asyncio.get_running_loop().time() - began
    assert took < 122, f'The answer went on and on, and you gave it up after {took:.0f} s instead of 120 s.'
    assert running.kept('Q').startswith('0 1 2 '), f'Two minutes of it had come; kept is {running.kept("Q")!r}.'


async def check_an_answer_that_breaks_is_kept(exercise: Exercise) -> None:
    running = Running(exercise, [SECRET, Fail(ModelConnectionError('scripted', f'Reset after {SECRET}'))])
    [text] = await running.ends(running.asks('Q'))
    assert text == SECRET, f'{SECRET!r} came before the connection broke, and you give back {text!r}.'
    assert running.kept('Q') == SECRET, f'{SECRET!r} came before it broke; kept is {running.kept("Q")!r}.'
    running.logged('failed')


async def check_whoever_asked_may_go_away(exercise: Exercise) -> None:
    running = Running(exercise, ANSWER)
    task = running.asks('Q')
    await asyncio.sleep(1.5)
    task.cancel()
    await asyncio.wait([task])
    assert running.kept('Q') == SECRET, f'{SECRET!r} had come when the reader left; kept is {running.kept("Q")!r}.'
    running.logged('stopped')


async def check_what_is_open_may_come_to_its_end(exercise: Exercise) -> None:
    running = Running(exercise, ANSWER, [SECRET] * 60)
    short, long = running.asks('short'), running.asks('long')
    await asyncio.sleep(1.5)
    took = await running.shut_down()
    still = [name for name, task in (('short', short), ('long', long)) if not task.done()]
    assert not still, f'shut_down returned after {took:.0f} s, and an answer was still open: the {still[0]} one.'
    kept = running.kept('short')
    assert kept == 'whisper it softly.', f'The short answer had 10 s for its last 1.5 s; kept is {kept!r}.'
    assert 9 < took < 12, f'The long answer was to be stopped after 10 s of grace, and you took {took:.0f} s.'
    words = running.kept('long').count(SECRET)
    assert words >= 10, f'Eleven words had come when the long answer was stopped, and kept are {words}.'
    running.logged('complete', 'stopped')


async def check_an_idle_service_ends_at_once(exercise: Exercise) -> None:
    took = await Running(exercise, ANSWER).shut_down()
    assert took < 1, f'Nothing was open, and you waited for {took:.0f} s.'


async def check_what_comes_too_late_is_not_asked(exercise: Exercise) -> None:
    running = Running(exercise, [SECRET] * 30)
    early = running.asks('early')
    await asyncio.sleep(0.5)
    ending = asyncio.create_task(running.service.shut_down(5))
    await asyncio.sleep(0.5)
    said, _ = await running.ends(running.asks('late'), early)
    await ending
    assert said == '', f'A question came after the service had begun to end, and is given {said!r} for an answer.'
    assert len(running.model.requests) == 1, 'A question came after the service had begun to end, and was asked.'
