"""A page, drawn again and again: before the first word, while it is written, and after each kind of end."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser

from pydantic_ai import Agent, AgentRunError
from pydantic_ai.exceptions import ModelConnectionError
from pydantic_ai.messages import ModelMessage, ModelResponse

from pydantic_ai_streaming import StreamingError
from pydantic_ai_streaming.course import Exercise, NotYet, Screen
from pydantic_ai_streaming.testing import EndEarly, Fail, ScriptedModel, Step

WORDS = ['one ', 'two ', 'three ', 'four']
ANSWER = ''.join(WORDS)
CURSOR = '▍'


class Seen(HTMLParser):
    """What a browser shows of some HTML, apart from remarks in `<i>`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.remarks, self._depth = '', '', 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Begin a remark."""
        self._depth += tag == 'i'

    def handle_endtag(self, tag: str) -> None:
        """End one."""
        self._depth -= tag == 'i'

    def handle_data(self, data: str) -> None:
        """Take text."""
        if self._depth:
            self.remarks += data
        else:
            self.text += data


class Page:
    """What was drawn, and when."""

    def __init__(self, *script: Step | str) -> None:
        self.model = ScriptedModel([*script], ['Next.'], gap=0.1)
        self.agent = Agent(self.model)
        self.drawn: list[tuple[float, str]] = []

    async def watch(self, exercise: Exercise, *, stopped: bool = False) -> Page:
        """Have the answer drawn, and then ask something else."""
        clock, stop = asyncio.get_running_loop().time, asyncio.Event()
        began = clock()
        if stopped:
            asyncio.get_running_loop().call_later(0.25, stop.set)

        def draw(html: str) -> None:
            self.drawn.append((clock() - began, html))

        with Screen():
            task = asyncio.create_task(exercise.call('show', self.agent, 'Count!', draw, stop))
            await asyncio.wait([task])
        if isinstance(error := task.exception(), AgentRunError | StreamingError):
            raise NotYet(f'The answer ended badly, and a {type(error).__name__} left your function.')
        history: list[ModelMessage] = await task
        if not self.drawn:
            raise NotYet('Nothing was drawn.')
        written = self.model.requests[0].pieces
        assert not stopped or written <= 4, f'Stop was pressed after two words, and the model wrote {written}.'
        await self.agent.run('And then?', message_history=history)
        return self

    @property
    def told(self) -> list[str]:
        """What the next request tells of the model."""
        return [message.text or '' for message in self.model.requests[1].messages if isinstance(message, ModelResponse)]


async def check_before_the_first_word_there_is_a_placeholder(exercise: Exercise) -> None:
    page = await Page(*WORDS).watch(exercise)
    at, html = page.drawn[0]
    assert at < 0.05, f'The first word came after 0.1 s, and until {at:.1f} s nothing was drawn.'
    assert CURSOR not in html, (
        f'Nothing is written yet, and there is a cursor: {html!r}. Who is to tell it from a stall?'
    )
    assert html.strip(), 'What is drawn first is empty: a placeholder says that the question has arrived.'


async def check_while_it_is_written_there_is_a_cursor(exercise: Exercise) -> None:
    page = await Page(*WORDS).watch(exercise)
    for count in (1, 2, 3):
        expected = ''.join(WORDS[:count]) + CURSOR
        assert expected in [html for _, html in page.drawn], (
            f'After {count} of four words, {expected!r} was to be drawn. You drew {[html for _, html in page.drawn]}.'
        )


async def check_a_whole_answer_is_its_text_alone(exercise: Exercise) -> None:
    page = await Page(*WORDS).watch(exercise)
    html = page.drawn[-1][1]
    assert html == ANSWER, f'The answer is whole, and what is drawn in the end is {html!r}.'


async def check_a_stopped_answer_stops_and_says_so(exercise: Exercise) -> None:
    page = await Page(*WORDS, ' five', ' six').watch(exercise, stopped=True)
    looks_like(page, 'one two three', 'Stop was pressed, and the answer ended with "three"')


async def check_half_an_answer_does_not_look_whole(exercise: Exercise) -> None:
    page = await Page(*WORDS[:2], EndEarly()).watch(exercise)
    looks_like(page, 'one two', 'The provider hung up after two words')
    reset = Fail(ModelConnectionError('scripted', 'reset'))
    page = await Page(*WORDS[:2], reset).watch(exercise)
    looks_like(page, 'one two', 'The connection broke after two words')


async def check_an_answer_that_never_began_is_no_message(exercise: Exercise) -> None:
    page = await Page(Fail(ModelConnectionError('scripted', 'reset'))).watch(exercise)
    looks_like(page, '', 'The connection broke before the first word')
    assert '' not in page.told, (
        'Nothing came of the answer, and the next request has an empty message of the model. Providers refuse these.'
    )


async def check_the_model_is_told_what_it_has_said(exercise: Exercise) -> None:
    for script in (WORDS, [*WORDS, EndEarly()]):
        page = await Page(*script).watch(exercise)
        assert page.told == [ANSWER], f'The model said {ANSWER!r}, and the next request tells it {page.told}.'


async def check_text_is_text(exercise: Exercise) -> None:
    page = await Page('if <depth> ', '& <b>wind', '</b>').watch(exercise)
    seen = Seen(page.drawn[-1][1]).text
    assert seen == 'if <depth> & <b>wind</b>', (
        f'The model wrote "if <depth> & <b>wind</b>", and a browser shows {seen!r}: see html.escape.'
    )


async def check_a_cancelled_drawing_is_cancelled(exercise: Exercise) -> None:
    page, drawn = Page(*WORDS), list[str]()
    with Screen():
        shown = exercise.call('show', page.agent, 'Count!', drawn.append, asyncio.Event())
        task = asyncio.create_task(shown)
        await asyncio.sleep(0.25)
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled(), (
        'The task was cancelled, and your function returned as if nothing had been. A cancellation is no error of the '
        'provider: whoever cancels waits for it (lesson 13).'
    )


def looks_like(page: Page, text: str, what: str) -> None:
    seen = Seen(page.drawn[-1][1])
    assert CURSOR not in seen.text + seen.remarks, f'{what}, and the cursor still says that more is to come.'
    assert seen.text.strip() == text, f'{what}, and the page shows {seen.text!r}.'
    assert seen.remarks.strip(), f'{what}, and the page shows it like a whole answer: {page.drawn[-1][1]!r}.'
