"""Mistakes that learners make in an exercise, and that its checks are to find and to name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pydantic_ai_streaming.course.checking import Verdict, check_file

LESSONS = Path(__file__).parents[2] / 'lessons'

KEPT = 'history[:] = stream.messages'
GIVEN = 'return await stream.get_output()'
AROUND = 'async with shelf as deps, RunStream(agent.run_stream_events(question, deps=deps)) as stream:'
INSIDE = 'async with RunStream(agent.run_stream_events(question, deps=shelf)) as stream, shelf:'
LINES = "(self._line + self._decode(piece)).split('\\n')"
SPLITLINES = "'\\n'.join((self._line + self._decode(piece) + '.').splitlines())[:-1].split('\\n')"
COUNTED = 'words += not inside and not character.isspace()'


def checked(lesson: str, right: str, wrong: str, folder: Path) -> Verdict:
    """What the checks say to the solution with a mistake in it."""
    solution = (LESSONS / lesson / 'solution.py').read_text('utf-8')
    assert right in solution
    (folder / 'exercise.py').write_text(solution.replace(right, wrong), 'utf-8')
    return check_file(folder / 'exercise.py', LESSONS / lesson / 'check.py')


@pytest.mark.parametrize(
    ('lesson', 'right', 'wrong', 'answer'),
    [
        ('l13_interruptions', KEPT, 'history.extend(stream.messages)', "It has ['Count!', 'Count!', 'Go on.']"),
        ('l13_interruptions', KEPT, 'history = stream.messages', '`history = ...` only binds a name'),
        ('l34_server_sent_events', "line.removesuffix('\\r')", 'line.rstrip()', "you read ['one', 'two']"),
        ('l34_server_sent_events', LINES, SPLITLINES, "'one\\u2028two\\x0b'], and you read ['one']"),
        ('l00_overview', 'await stream.get_output()', 'pass', 'you left the context'),
        ('l05_lists', GIVEN, 'return [task async for task in stream.items()]', "['Buy bread', 'Pack the rope']"),
        ('l06_dependencies', AROUND, INSIDE, 'the shelf was closed before the tool had ended'),
        ('l16_partial_results', 'return stream.output,', 'return items,', "You give back [('flour', 200)"),
        ('l16_partial_results', '= stream.output', '= items', "You give back [('flour', 200)"),
        ('l20_news_summarizer', "partial.state(name) == 'complete'", 'value is not None', "has {'title': 'The caf"),
        ('l21_retries', GIVEN, 'return stream.text_so_far', "you give back 'I book it. "),
        ('l40_eventsource_or_fetch', ', lifespan=streams.lifespan', '', 'The server has ended, and the model is still'),
        ('l40_eventsource_or_fetch', 'linger=30', 'linger=90', 'The page has been away for a minute'),
        ('l43_message_component', '(StreamingError, AgentRunError)', 'BaseException', 'as if nothing had been'),
        ('l52_memory', COUNTED, "words += character == ' '", 'words of 14'),
    ],
)
def test_a_mistake_is_found_and_named(lesson: str, right: str, wrong: str, answer: str, tmp_path: Path) -> None:
    verdict = checked(lesson, right, wrong, tmp_path)
    assert answer in verdict.sentence
    assert not verdict.crashed


@pytest.mark.parametrize(
    ('lesson', 'right', 'other'),
    [
        ('l40_eventsource_or_fetch', 'linger=30', 'linger=60'),
        ('l13_interruptions', 'if stop.is_set():', 'if stop.is_set() and not await stream.stop():'),
    ],
)
def test_what_is_right_in_another_way_is_accepted(lesson: str, right: str, other: str, tmp_path: Path) -> None:
    assert checked(lesson, right, other, tmp_path).passed
