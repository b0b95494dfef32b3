"""A response that another model goes on with: what that one is asked with, and who is named for what."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelConnectionError, UserError
from pydantic_ai.messages import ModelResponse
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings

from pydantic_ai_streaming import Recovery, RunStream
from pydantic_ai_streaming.reduce.recovery import Step
from pydantic_ai_streaming.testing import Fail, Finish, ScriptedModel

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]


class NamedModel(ScriptedModel):
    """A scripted model with a name of its own."""

    def __init__(self, name: str, *responses: Any, settings: ModelSettings | None = None) -> None:
        super().__init__(*responses, settings=settings)
        self._name = name

    @property
    def model_name(self) -> str:
        return self._name


def cut() -> Fail:
    return Fail(ModelConnectionError('scripted', 'Connection error.'))


async def test_a_request_that_fails_before_it_has_begun_is_told_of_the_model_that_was_asked() -> None:
    own, second, third = NamedModel('own', [cut()]), NamedModel('second', [cut()]), NamedModel('third', ['Hi.'])
    run = Agent(own).run_stream_events('Go')
    async with RunStream(run, recovery=Recovery(fallback=[second, third])) as stream:
        await stream.get_output()
    reply = stream.messages[-1]
    assert isinstance(reply, ModelResponse)
    assert reply.model_name == 'third'
    assert [attempt.model_name for attempt in reply.failed_attempts or ()] == ['own', 'second']


async def test_another_model_has_its_own_settings_and_those_of_the_run() -> None:
    own = ScriptedModel([cut()], settings=ModelSettings(temperature=0.9, top_p=0.3))
    other = ScriptedModel(['Hi.'], settings=ModelSettings(temperature=0.1))
    run = Agent(own).run_stream_events('Go', model_settings=ModelSettings(max_tokens=7))
    async with RunStream(run, recovery=Recovery(fallback=[other])) as stream:
        await stream.get_output()
    assert own.requests[0].settings == {'temperature': 0.9, 'top_p': 0.3, 'max_tokens': 7}
    assert other.requests[0].settings == {'temperature': 0.1, 'max_tokens': 7}


@pytest.mark.parametrize(
    ('by', 'first', 'known_as'),
    [('retry', [], 'second'), ('restart', ['The '], 'second'), ('continue', ['The '], None)],
)
async def test_a_reply_has_the_id_of_its_response_if_it_is_whole_by_itself(
    by: Step, first: list[str], known_as: str | None
) -> None:
    model = ScriptedModel([*first, cut()], ['The quick fox.', Finish(provider_response_id='second')])
    async with RunStream(Agent(model).run_stream_events('Go'), recovery=Recovery(by=by)) as stream:
        assert await stream.get_output() == 'The quick fox.'
    reply = stream.messages[-1]
    assert isinstance(reply, ModelResponse)
    assert reply.provider_response_id == known_as


class Movie(BaseModel):
    title: str


async def test_prose_is_not_gone_on_from_with_a_document() -> None:
    document = ModelProfile(supports_json_schema_output=True, default_structured_output_mode='native')
    own, other = ScriptedModel(['Let me think. ', cut()]), ScriptedModel(['{"title": "Dune"}'], profile=document)
    run = Agent(own, output_type=Movie).run_stream_events('Go')
    async with RunStream(run, recovery=Recovery(fallback=[other])) as stream:
        assert await stream.get_output() == Movie(title='Dune')
    assert len(other.requests) == 1


async def test_a_fallback_that_does_not_exist_is_told_as_one() -> None:
    run = Agent(ScriptedModel(['The ', cut()])).run_stream_events('Go')
    stream = RunStream(run, recovery=Recovery(fallback=['nope']))
    with pytest.raises(UserError, match='Unknown model: nope') as raised:
        async with stream:
            await stream.get_output()
    (note,) = raised.value.__notes__
    assert note.startswith("'nope' is in Recovery(fallback=...)")
    assert stream.text_so_far == 'The '
