"""Letters in pieces and at once, in one response and in two, sent and returned; and a tool that writes none."""

from __future__ import annotations

from pydantic_ai import Agent, ModelRetry

from pydantic_ai_streaming.course import Exercise, Screen
from pydantic_ai_streaming.testing import ScriptedModel, Step, ToolCall

ADA = {'to': 'ada@farland.example', 'text': 'Come on Friday, and bring the goat. There is grass enough.'}
BEN = {'to': 'ben@farland.example', 'text': 'Come on Friday; there may be a goat.'}
Script = list[Step | str]


async def watch(exercise: Exercise, *responses: Script) -> tuple[Screen, object]:
    agent = Agent(ScriptedModel(*responses, ['Done.'], gap=0.1))

    @agent.tool_plain
    def send(to: str, text: str) -> str:
        """Sends a letter."""
        if not to.endswith('.example'):
            raise ModelRetry('There is no such address.')
        return 'sent'

    @agent.tool_plain
    def look_up(to: str, text: str) -> str:
        """Writes to nobody."""
        return f'{to}@farland.example'

    with Screen() as screen:
        letters = await exercise.call('watch', agent, 'Invite them.')
    return screen, letters


def written(screen: Screen) -> list[str]:
    return [line for line in screen.text.splitlines() if line.strip()]


def expected(*letters: dict[str, str]) -> list[str]:
    return [line for letter in letters for line in (f'To: {letter["to"]}', letter['text'])]


async def check_a_letter_is_shown_and_given_back(exercise: Exercise) -> None:
    screen, letters = await watch(exercise, [ToolCall('send', ADA, pieces=6)])
    assert written(screen) == expected(ADA), f'It was to show as {expected(ADA)}, and shows as {written(screen)}.'
    assert letters == [ADA], f'One letter was sent, {ADA}, and you give back {letters}.'


async def check_it_shows_while_it_is_written(exercise: Exercise) -> None:
    screen, _ = await watch(exercise, [ToolCall('send', ADA, pieces=6)])
    (begun,) = [shown.at for shown in screen.shown if 'Com' in shown.text][:1] or [9.0]
    began = (len('{"to": "ada@farland.example", "text": "Com') // 6 + 2) * 0.1
    assert begun < began + 0.05, (
        f'"Com" had come after {began:.1f} s, and is on the screen after {begun:.1f} s. '
        'What is half there is no JSON, and all the same half of it is there.'
    )


async def check_half_an_address_is_not_shown(exercise: Exercise) -> None:
    pieces = ['{"to": "ada@far', 'land.exam', 'ple", "te', 'xt": "Co', 'me."}']
    screen, _ = await watch(exercise, [ToolCall('send', pieces=pieces)])
    first = screen.shown[0]
    assert written(screen) == ['To: ada@farland.example', 'Come.'], f'The screen shows {written(screen)}.'
    assert first.at > 0.35, (
        f'The address was whole after 0.4 s, and {first.text!r} is on the screen after {first.at:.1f} s. '
        'Ask for the state of an argument before you believe it.'
    )
    assert first.at < 0.55, (
        f'The address was whole after 0.4 s, and is on the screen after {first.at:.1f} s. The text may come later.'
    )


async def check_the_next_response_has_a_letter_too(exercise: Exercise) -> None:
    screen, letters = await watch(exercise, [ToolCall('send', ADA, pieces=6)], [ToolCall('send', BEN, pieces=6)])
    assert written(screen) == expected(ADA, BEN), (
        f'Two responses had a letter each, and the screen shows {written(screen)}. Both calls have the index 0: '
        'it is good for one response.'
    )
    assert letters == [ADA, BEN], f'Two letters were sent, and you give back {letters}.'


async def check_two_letters_in_one_response(exercise: Exercise) -> None:
    screen, letters = await watch(exercise, [ToolCall('send', ADA, pieces=6), ToolCall('send', BEN, pieces=6)])
    assert written(screen) == expected(ADA, BEN), f'Two letters came in one response; there is {written(screen)}.'
    assert letters in ([ADA, BEN], [BEN, ADA]), f'Two letters were sent in one response; you give back {letters}.'


async def check_a_letter_that_comes_at_once_is_shown(exercise: Exercise) -> None:
    for how, call in (('as text', ToolCall('send', BEN)), ('as a mapping', ToolCall('send', BEN, pieces='mapping'))):
        screen, letters = await watch(exercise, [call])
        assert written(screen) == expected(BEN), (
            f'All arguments came with the name, {how}, as some providers send them; the screen shows {written(screen)}.'
        )
        assert letters == [BEN], f'All arguments came with the name, {how}, and you give back {letters}.'


async def check_what_is_not_sent_is_not_given_back(exercise: Exercise) -> None:
    wrong = {**ADA, 'to': 'ada@nowhere'}
    screen, letters = await watch(exercise, [ToolCall('send', wrong, pieces=6)], [ToolCall('send', ADA, pieces=6)])
    assert letters == [ADA], (
        f'The first letter was refused, because there is no such address, and written again. You give back {letters}.'
    )
    assert written(screen) == expected(wrong, ADA), f'Two letters were written; the screen shows {written(screen)}.'


async def check_another_tool_is_no_letter(exercise: Exercise) -> None:
    screen, letters = await watch(exercise, [ToolCall('look_up', {**BEN, 'to': 'ben'}, pieces=6)])
    assert (written(screen), letters) == ([], []), (
        f'The model looked up an address and wrote no letter; the screen shows {written(screen)}, and you give back '
        f'{letters}.'
    )
