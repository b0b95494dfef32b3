"""An output that is invalid early on is not paid for to its end: the provider's own log, over its real client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_ai import Agent

from pydantic_ai_streaming import InvalidOutput, PartialOutput, RunStream
from tests.partials.provider import Exchange, provider_that_calls

pytestmark = [
    pytest.mark.no_task_left,
    pytest.mark.filterwarnings("ignore:The model '.*' is deprecated:DeprecationWarning"),
]

AT_MOST = 0.15
"""The share of the document that may have been sent."""


class Report(BaseModel):
    id: int
    severity: Literal['low', 'high']
    text: str


def document(*, invalid: bool) -> str:
    """27 reports of a thousand characters; of the third, the severity may be invalid."""
    reports = [
        {'id': n, 'severity': 'terrible' if invalid and n == 3 else 'high', 'text': f'line {n} and so on. ' * 52}
        for n in range(1, 28)
    ]
    return json.dumps({'response': reports})


@pytest.fixture
def record(record_property: Callable[[str, object], None]) -> Callable[[str, list[Exchange]], None]:
    """Prints the provider's log (`pytest -rP`), and keeps it in the report."""

    def tell(name: str, log: list[Exchange]) -> None:
        for number, exchange in enumerate(log, 1):
            line = (
                f'request {number}: sent {exchange.sent:,} of {exchange.document:,} characters ({exchange.share:.1%}), '
                f'{exchange.sent_bytes:,} bytes; {"the client left" if exchange.left else "whole"}'
            )
            print(f'{name}, {line}')
            record_property(name, line)

    return tell


def agent(model: Any) -> Agent[None, list[Report]]:
    return Agent(model, output_type=list[Report], retries=2)


async def test_stop_closes_the_providers_stream_where_the_document_becomes_invalid(
    record: Callable[[str, list[Exchange]], None],
) -> None:
    async with provider_that_calls('final_result', [document(invalid=True)]) as (model, log):
        stream = RunStream(agent(model).run_stream_events('Go'))
        async with stream:
            with pytest.raises(InvalidOutput) as caught:
                async for _ in stream.partial_outputs(on_invalid='stop'):
                    pass
    record('stop', log)
    error = caught.value
    assert (error.path, error.received <= AT_MOST * len(document(invalid=True))) == ((2, 'severity'), True)
    assert isinstance(error.error, ValidationError)
    assert error.error.errors()[0]['type'] == 'literal_error'
    assert [report.id for report in error.value] == [1, 2, 3]
    assert [(exchange.left, exchange.share <= AT_MOST) for exchange in log] == [(True, True)]
    assert log[0].document > 27_000


async def test_without_it_the_provider_sends_all_of_the_document(
    record: Callable[[str, list[Exchange]], None],
) -> None:
    async with provider_that_calls('final_result', [document(invalid=True), document(invalid=False)]) as (model, log):
        stream = RunStream(agent(model).run_stream_events('Go'))
        async with stream:
            flagged = [partial.received async for partial in stream.partial_outputs() if partial.errors]
    record('report', log)
    assert flagged[0] <= AT_MOST * log[0].document
    assert [exchange.share for exchange in log] == [1, 1]


async def test_retry_asks_again_at_once_with_the_path_and_what_is_wrong(
    record: Callable[[str, list[Exchange]], None],
) -> None:
    async with provider_that_calls('final_result', [document(invalid=True), document(invalid=False)]) as (model, log):
        stream = RunStream(agent(model).run_stream_events('Go'))
        async with stream:
            seen: list[PartialOutput[list[Report]]] = [
                partial async for partial in stream.partial_outputs(on_invalid='retry')
            ]
    record('retry', log)
    first, second = log
    assert (first.left, first.share <= AT_MOST) == (True, True)
    assert (second.left, second.share) == (False, 1)
    told = json.dumps(second.request['messages'][-1])
    assert '[2].severity' in told
    assert "Input should be 'low' or 'high'" in told
    assert (stream.finish, seen[-1].is_final, len(stream.output)) == ('complete', True, 27)
    assert [partial.attempt for partial in seen] == sorted(partial.attempt for partial in seen)
    assert {partial.attempt for partial in seen} == {1, 2}
