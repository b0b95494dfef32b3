"""What is mounted on an agent: its pace, its events, its ways out, and what it does where it cannot work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, NativeOutput
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    AgentStreamEvent,
    CustomEvent,
    FunctionToolCallEvent,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)

from pydantic_ai_streaming import RunStream, Smoothing
from pydantic_ai_streaming.capabilities import (
    PartialOutputEvent,
    PartialOutputs,
    SmoothText,
    TimelineEvent,
    ToolCallUpdateEvent,
    ToolTimeline,
)
from pydantic_ai_streaming.partials.json_patch import patched
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Stall, ToolCall
from tests.capabilities.drivers import DRIVERS

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]


class Movie(BaseModel):
    title: str
    year: int = 0


def everything() -> list[AbstractCapability[Any]]:
    return [SmoothText(), PartialOutputs(every=0), ToolTimeline()]


def now() -> float:
    return asyncio.get_running_loop().time()


async def timed_events(agent: Agent[None, Any], **options: Any) -> list[tuple[float, Any]]:
    async with agent.run_stream_events('Go', **options) as events:
        return [(round(now(), 3), event) async for event in events]


def text_of(event: object) -> str:
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ''


# Text


async def test_text_comes_at_the_pace_of_the_view_of_a_run_stream() -> None:
    burst = 'one two three four five six seven eight nine ten'
    bursts = ['Well, ', burst, f' {burst}', f' {burst}']
    mounted = Agent(ScriptedModel(bursts, gap=0.35), capabilities=[SmoothText()])
    shown = [(at, text) for at, event in await timed_events(mounted) if (text := text_of(event))]
    start = now()
    async with RunStream(Agent(ScriptedModel(bursts, gap=0.35)).run_stream_events('Go')) as stream:
        view = [(now() - start, piece) async for piece in stream.text(smoothing=Smoothing())]
    assert ''.join(text for _, text in shown) == ''.join(text for _, text in view) == ''.join(bursts)
    gaps = [max(b - a for (a, _), (b, _) in pairwise(times)) for times in (shown, view)]
    assert gaps[0] <= gaps[1] + 0.35, 'the first burst is handed over whole'
    assert len(shown) > 3 * len(bursts)


async def test_a_tool_call_does_not_overtake_the_text_before_it() -> None:
    words = ' '.join(['word'] * 30)
    agent = Agent(ScriptedModel(['I ', words, ToolCall('look')], ['Done.'], gap=0.1), capabilities=[SmoothText()])
    agent.tool_plain(name='look')(lambda: 'seen')
    shown = ''
    for _, event in await timed_events(agent):
        if isinstance(event, FunctionToolCallEvent):
            assert shown == f'I {words}'
        shown += text_of(event)
    assert shown == f'I {words}Done.'


async def test_what_was_read_before_a_failure_is_shown_before_it() -> None:
    model = ScriptedModel(['I ', 'was about to say something long', Fail(ValueError('gone'))], gap=0.1)
    shown = ''
    async with Agent(model, capabilities=[SmoothText(Smoothing(max_lag=5))]).run_stream_events('Go') as events:
        with pytest.raises(ValueError, match='gone'):  # noqa: PT012 - what comes before the error counts
            async for event in events:
                shown += text_of(event)
    assert shown == 'I was about to say something long'


async def test_run_stream_does_not_show_twice_what_was_read_before_its_text_is_asked_for() -> None:
    words = [f'word{number} ' for number in range(20)]
    agent = Agent(ScriptedModel(words, gap=0.05), capabilities=everything())
    for delta in (True, False):
        async with agent.run_stream('Go') as result:
            await asyncio.sleep(3)
            pieces = [piece async for piece in result.stream_text(delta=delta, debounce_by=None)]
        assert (''.join(pieces) if delta else pieces[-1]) == ''.join(words)
        agent.model = ScriptedModel(words, gap=0.05)


async def test_the_early_end_of_run_stream_stays_as_it_is_and_the_other_drivers_go_on() -> None:
    for name, driver in DRIVERS.items():
        agent = Agent(ScriptedModel(['Let me check.', ToolCall('look')], ['It is 7.']), capabilities=everything())
        agent.tool_plain(name='look')(lambda: 7)
        seen = await driver(agent, 'Go', None)
        assert seen.output == ('Let me check.' if name == 'run_stream' else 'It is 7.')
        assert seen.shown == ('Let me check.' if name == 'run_stream' else 'Let me check.It is 7.')


# Events


DOCUMENT = '{"title": "Dune", "year": 1965}'


@pytest.mark.parametrize('patches', [False, True])
@pytest.mark.parametrize('native', [False, True])
async def test_the_output_fills_in_under_one_id(native: bool, patches: bool) -> None:
    pieces = [DOCUMENT[at : at + 3] for at in range(0, len(DOCUMENT), 3)]
    script = pieces if native else [ToolCall('final_result', pieces=pieces)]
    output_type: Any = NativeOutput(Movie) if native else Movie
    agent = Agent(
        ScriptedModel(script, gap=0.1),
        output_type=output_type,
        capabilities=[PartialOutputs(every=0, patches=patches)],
    )
    told = [event for _, event in await timed_events(agent) if isinstance(event, PartialOutputEvent)]
    assert len({event.id for event in told}) == 1
    assert [event.is_final for event in told] == [False] * (len(told) - 1) + [True]
    values: list[Any] = []
    document: Any = None
    for event in told[:-1]:
        document = patched(document, event.patch) if event.patch is not None else event.value
        values.append(dict(document))
    assert values[-1] == told[-1].value == {'title': 'Dune', 'year': 1965}
    assert {'title': 'D'} in values
    assert told[-2].streaming is None


async def test_a_rejected_attempt_is_replaced_by_the_next() -> None:
    scripts = ([ToolCall('final_result', {'title': title}, pieces=4)] for title in ('bad', 'good'))
    agent = Agent(ScriptedModel(*scripts, gap=0.1), output_type=Movie, capabilities=[PartialOutputs(every=0)])

    @agent.output_validator
    def check(movie: Movie) -> Movie:
        if movie.title == 'bad':
            raise ModelRetry('no')
        return movie

    told = [event for _, event in await timed_events(agent) if isinstance(event, PartialOutputEvent)]
    assert {event.attempt for event in told} == {1, 2}
    assert [event.is_final for event in told].count(True) == 1
    assert (told[-1].value, told[-1].attempt) == ({'title': 'good', 'year': 0}, 2)


async def test_a_long_text_does_not_take_bytes_that_grow_with_its_square() -> None:
    sizes: list[int] = []
    for length in (20_000, 80_000):
        call = ToolCall('final_result', {'title': 'x' * length}, pieces=length // 40)
        agent = Agent(ScriptedModel([call], gap=0.01), output_type=Movie, capabilities=[PartialOutputs()])
        began = now()
        told = [event for _, event in await timed_events(agent) if isinstance(event, PartialOutputEvent)]
        sizes.append(sum(len(str(event.value)) for event in told))
        assert sizes[-1] <= 50_000 * (now() - began) + 3 * length
    assert sizes[1] < 6 * sizes[0]


async def test_what_is_withheld_comes_when_its_time_has_come() -> None:
    call = ToolCall('final_result', pieces=['{"title": "D', 'un'])
    agent = Agent(ScriptedModel([call, Stall()]), output_type=Movie, capabilities=[PartialOutputs(every=0.5)])
    seen: list[tuple[float, Any]] = []
    async with agent.run_stream_events('Go') as events:
        async for event in events:
            if isinstance(event, PartialOutputEvent):
                seen.append((now(), event.value))
            if len(seen) == 2:
                break
    assert seen == [(0.0, {'title': 'D'}), (0.5, {'title': 'Dun'})]


async def test_a_run_with_another_output_type_shows_nothing_unless_it_is_said() -> None:
    class Song(BaseModel):
        singer: str

    def agent() -> Agent[None, Any]:
        model = ScriptedModel([ToolCall('final_result', {'singer': 'Nina'}, pieces=4)])
        return Agent(model, output_type=Movie, capabilities=[PartialOutputs(every=0)])

    silent = await timed_events(agent(), output_type=Song)
    assert not [event for _, event in silent if isinstance(event, PartialOutputEvent)]
    said = await timed_events(agent(), output_type=Song, capabilities=[PartialOutputs(every=0, output_type=Song)])
    assert [event.value for _, event in said if isinstance(event, PartialOutputEvent)][-1] == {'singer': 'Nina'}


async def test_tools_are_told_with_the_times_at_which_things_happened() -> None:
    agent = Agent(ScriptedModel(['I look. ', ToolCall('look')], ['Done', '.'], gap=0.5), capabilities=everything())

    async def look() -> str:
        await asyncio.sleep(2)
        return 'seen'

    agent.tool_plain(look)
    events = [event for _, event in await timed_events(agent)]
    calls = [event for event in events if isinstance(event, ToolCallUpdateEvent)]
    assert [call.state for call in calls] == ['calling', 'called', 'running', 'returned']
    assert len({call.id for call in calls}) == 1
    assert calls[-1].duration == pytest.approx(2, abs=0.01)
    timelines = [event for event in events if isinstance(event, TimelineEvent)]
    assert len({timeline.id for timeline in timelines}) == 1
    assert [activity for activity, _, _ in timelines[-1].spans] == ['waiting', 'model', 'tool', 'waiting', 'model']


async def test_calls_of_a_run_that_fails_are_told_as_unfinished() -> None:
    agent = Agent(ScriptedModel([ToolCall('look')]), capabilities=[ToolTimeline()])

    async def look() -> str:
        raise ValueError('gone')

    agent.tool_plain(look)
    states: list[str] = []
    async with agent.run_stream_events('Go') as events:
        with pytest.raises(ValueError, match='gone'):  # noqa: PT012 - what comes before the error counts
            async for event in events:
                if isinstance(event, ToolCallUpdateEvent):
                    states.append(event.state)  # noqa: PERF401 - what comes before the error counts
    assert states == ['calling', 'called', 'running', 'unfinished']


async def test_a_run_stream_shows_them_among_its_events_and_nowhere_else() -> None:
    def agent(*mounted: AbstractCapability[Any]) -> Agent[None, Any]:
        script = ['I look. ', ToolCall('look')], [ToolCall('final_result', {'title': 'Dune'}, pieces=4)]
        made = Agent(ScriptedModel(*script, gap=0.1), output_type=Movie, capabilities=mounted)
        made.tool_plain(name='look')(lambda: 'seen')
        return made

    told: list[Any] = []
    for mounted in ([], everything()):
        async with RunStream(agent(*mounted).run_stream_events('Go')) as stream:
            text = ''.join([piece async for piece in stream.text()])
            partials = [(partial.value, partial.is_final) async for partial in stream.partial_outputs()]
            calls = [(call.name, call.state, call.progress) async for call in stream.tool_calls()]
            custom = [event async for event in stream.events() if isinstance(event, CustomEvent)]
        told.append((text, partials, calls))
        assert bool(custom) == bool(mounted)
    assert told[0] == told[1]


# Ways out


async def read(agent: Agent[None, Any], way: str) -> None:
    await DRIVERS[way](agent, 'Go', None)


def talkative() -> tuple[ScriptedModel, Agent[None, Any]]:
    model = ScriptedModel(['I look. ', 'One moment. ', ToolCall('look')], ['It ', 'is ', '7.'], gap=0.1)
    agent = Agent(model, capabilities=everything())

    async def look() -> int:
        await asyncio.sleep(0.1)
        return 7

    agent.tool_plain(look)
    return model, agent


@pytest.mark.parametrize('way', DRIVERS)
async def test_a_cancellation_at_any_turn_leaves_no_task_and_no_connection(way: str) -> None:
    turn, ended = 0, False
    while not ended:
        model, agent = talkative()
        running = asyncio.create_task(read(agent, way))
        for _ in range(turn):
            await asyncio.sleep(0)
            await asyncio.sleep(0.01)
        ended = running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}, turn
        assert all(request.closed is not None for request in model.requests), turn
        turn += 1
    assert turn > 20


@pytest.mark.parametrize('count', range(14))
async def test_leaving_in_the_middle_leaves_no_task_and_keeps_what_was_read(count: int) -> None:
    model, agent = talkative()
    seen: list[AgentStreamEvent] = []
    async with agent.run_stream_events('Go') as events:
        async for event in events:
            seen.append(event)  # pyright: ignore[reportArgumentType] - the result comes after these
            if len(seen) > count:
                break
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert all(request.closed is not None for request in model.requests)
    shown = ''.join(map(text_of, seen))
    kept = ''.join(
        part.content
        for message in events.all_messages()
        if isinstance(message, ModelResponse)
        for part in message.parts
        if isinstance(part, TextPart)
    )
    assert kept.startswith(shown)


# Where it cannot work, or not as asked


@pytest.mark.parametrize('way', DRIVERS)
async def test_a_model_that_cannot_stream_stays_usable(way: str) -> None:
    agent = Agent(ScriptedModel(['It is 7.'], can_stream=False), capabilities=everything())
    seen = await DRIVERS[way](agent, 'Go', None)
    assert (seen.output, seen.shown) == ('It is 7.', 'It is 7.')


async def test_an_error_of_a_model_that_can_stream_is_not_taken_for_one_that_cannot() -> None:
    model = ScriptedModel([Fail(UserError('out of credit'))])
    with pytest.raises(UserError, match='out of credit'):
        await Agent(model, capabilities=everything()).run('Go')
    assert len(model.requests) == 1


async def test_mounted_twice_the_later_one_counts_and_that_of_a_run_before_all() -> None:
    words = ' '.join(['word'] * 30)
    line, word = SmoothText(Smoothing(by='line', max_hold=9, max_lag=9)), SmoothText(Smoothing(by='word'))

    async def pieces(mounted: Sequence[AbstractCapability[Any]], *of_the_run: AbstractCapability[Any]) -> int:
        agent = Agent(ScriptedModel(['I ', words], gap=0.1), capabilities=mounted)
        events = await timed_events(agent, capabilities=of_the_run or None)
        return sum(bool(text_of(event)) for _, event in events)

    assert await pieces([word, line]) == await pieces([line]) == await pieces([word], line)
    assert await pieces([line, word]) == await pieces([word]) > await pieces([line])
    agent = Agent(ScriptedModel([ToolCall('look')], ['Done.']), capabilities=[ToolTimeline(), ToolTimeline()])
    agent.tool_plain(name='look')(lambda: 7)
    calls = [event for _, event in await timed_events(agent) if isinstance(event, ToolCallUpdateEvent)]
    assert len(calls) == 4


async def test_a_spec_can_name_them() -> None:
    spec = {
        'model': 'test',
        'capabilities': [{'SmoothText': {'by': 'line'}}, {'PartialOutputs': {'every': 0.5}}, 'ToolTimeline'],
    }
    agent = Agent.from_spec(spec, custom_capability_types=[SmoothText, PartialOutputs, ToolTimeline])
    found: dict[type, AbstractCapability[Any]] = {}
    agent.root_capability.apply(lambda capability: found.update({type(capability): capability}))
    smooth, partials = found[SmoothText], found[PartialOutputs]
    assert isinstance(smooth, SmoothText)
    assert isinstance(partials, PartialOutputs)
    assert (smooth.smoothing.by, partials.every) == ('line', 0.5)
    assert ToolTimeline in found


class InWorkflow(AbstractCapability[Any]):
    in_durable_context = True


async def test_inside_a_durable_workflow_nothing_is_delayed_and_no_task_reads_ahead() -> None:
    words = [f'word{number} ' for number in range(20)]
    agent = Agent(ScriptedModel(words), capabilities=[*everything(), InWorkflow()])
    events = await timed_events(agent)
    assert {at for at, _ in events} == {0.0}
    assert [text for _, event in events if (text := text_of(event))] == words


@pytest.mark.parametrize('wrong', [{'every': -1}, {'every': float('nan')}, {'rate': 0}, {'rate': float('inf')}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match='use a finite'):
        PartialOutputs(**wrong)


def test_a_pace_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match=r'Smoothing\(\.\.\.\)'):
        SmoothText('word')  # pyright: ignore[reportArgumentType] - what it is about
