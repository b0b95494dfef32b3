"""A page in this process that asks the application; the model writes a piece every tenth of a second."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError

from pydantic_ai_streaming.course import Exercise, NotYet, serving
from pydantic_ai_streaming.testing import EndEarly, Fail, ScriptedModel, Stall, Step

LINES = ['one\n', 'two ', 'three\n\n', 'four']
FAILURE = ModelHTTPError(503, 'secret-model', 'no route to db-7.internal')


@dataclass
class Page:
    """What a page has seen of an answer."""

    frames: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    raw: str = ''
    first: float = float('inf')  # seconds until the first text
    broke: bool = False

    @property
    def shown(self) -> str:
        """What it shows."""
        return ''.join(frame['text'] for frame in self.frames if frame['type'] == 'text')

    @property
    def last(self) -> str:
        """The last type, or that there is none."""
        if self.broke:
            return 'a connection that broke'
        return repr(self.frames[-1]['type']) if self.frames else 'nothing'


async def ask(exercise: Exercise, *steps: Step | str) -> Page:
    agent = Agent(ScriptedModel([*steps], gap=0.1))
    page, clock = Page(), asyncio.get_running_loop().time
    async with serving(exercise.get('make_app')(agent)) as client:
        began = clock()
        async with client.post('/answer', question='Count!') as response:
            kind = response.headers.get('content-type', '').partition(';')[0]
            if response.status != 200 or kind != 'text/event-stream':
                if client.errors:
                    raise client.errors[0]
                body = (await response.read()).decode()[:100]
                raise NotYet(f'POST /answer gives status {response.status} and {kind!r}, not a stream: {body}')
            try:
                async for event in response.events():
                    page.frames.append(frame_of(event.data))
                    if page.shown:
                        page.first = min(page.first, clock() - began)
            except ConnectionResetError:
                page.broke = True
            page.raw = b''.join(response.pieces).decode()
    return page


def frame_of(text: str) -> dict[str, Any]:
    try:
        frame = json.loads(text)
        if isinstance(frame['type'], str) and (frame['type'] != 'text' or isinstance(frame['text'], str)):
            return frame
    except (ValueError, KeyError, TypeError):
        pass
    raise NotYet(
        f'The data of an event is {text!r}, and was to be a JSON object with a "type". Bare text in there loses what '
        'follows its line ends, and cannot be told from a sign such as [DONE].'
    )


async def check_the_page_shows_the_answer_with_its_line_ends(exercise: Exercise) -> None:
    page = await ask(exercise, *LINES)
    assert page.shown == ''.join(LINES), (
        f'The answer is {"".join(LINES)!r}, and the page has put together {page.shown!r}. Each event adds to what is '
        'shown: send what is new.'
    )
    assert page.last == "'end'", f'The answer is whole, and the last that the page gets is {page.last}, not "end".'


async def check_the_first_piece_is_sent_when_it_is_written(exercise: Exercise) -> None:
    page = await ask(exercise, *[f'{number} ' for number in range(20)])
    assert page.first < 0.15, f'The first piece was written after 0.1 s, and the page saw it after {page.first:.1f} s.'


async def check_a_failure_has_a_last_word(exercise: Exercise) -> None:
    page = await ask(exercise, 'one ', 'two ', Fail(FAILURE))
    assert page.last == "'error'", (
        f'The model failed after two words, and the last that the page gets is {page.last}. The status was 200 long '
        'before, so it has to be told in the stream: {"type": "error"}.'
    )
    assert page.shown == 'one two ', f'"one two " came before the failure, and the page shows {page.shown!r}.'
    page = await ask(exercise, Fail(FAILURE))
    assert page.last == "'error'", f'The model failed at once, and the last that the page gets is {page.last}.'


async def check_what_went_wrong_is_not_for_the_page(exercise: Exercise) -> None:
    page = await ask(exercise, 'one ', Fail(FAILURE))
    leaked = [word for word in ('secret-model', 'db-7') if word in page.raw]
    assert not leaked, (
        f'The text of the exception has gone to the page: {leaked}. It names what is behind your server, or holds a '
        'key. Write it to the log, and send a type.'
    )


async def check_half_an_answer_is_an_error_too(exercise: Exercise) -> None:
    page = await ask(exercise, 'one ', 'two ', EndEarly())
    assert page.last == "'error'", (
        f'The provider hung up in the middle, without a finish reason, and the page is told {page.last}: it takes half '
        'an answer for the whole.'
    )


async def check_a_page_that_is_closed_stops_the_model(exercise: Exercise) -> None:
    model = ScriptedModel(['one ', 'two ', Stall()], gap=0.1)
    clock = asyncio.get_running_loop().time
    async with serving(exercise.get('make_app')(Agent(model))) as client:
        async with client.post('/answer', question='Count!') as response:
            async for event in response.events():
                if 'two' in event.data:
                    break
        left = clock()
        await asyncio.sleep(1)
        closed = model.requests[0].closed_at
        assert (closed or float('inf')) - left < 0.1, (
            'The page was closed after two words. A second later the model was still asked: nobody will read what it '
            'writes, and somebody pays for it.'
        )
