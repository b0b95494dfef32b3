"""Streams of several people: each has theirs, and sees of the others' only that their names are taken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_ai import Agent
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.logs import StreamLog
from pydantic_ai_streaming.serve import DurableStreams, Frames, StreamRunner, durable_streams
from pydantic_ai_streaming.testing import ScriptedModel
from tests.serve.durable.calls import ask, begin

ANN = {'authorization': 'ann'}
BOB = {'authorization': 'bob'}
NOBODY: dict[str, str] = {}
LIVE = ['', '?offset=-1&live=long-poll', '?offset=-1&live=sse', '?offset=now&live=sse', '?offset=now']

pytestmark = pytest.mark.virtual_time


async def who(connection: HTTPConnection) -> str | None:
    await asyncio.sleep(0)
    name = connection.headers.get('authorization')
    if name == 'expired':
        raise HTTPException(401, 'Log in again.', headers={'WWW-Authenticate': 'Bearer'})
    return name


@pytest.fixture
def app(log: StreamLog) -> DurableStreams:
    return durable_streams(log, authorize=who, writable=True)


@pytest.mark.parametrize('query', LIVE)
async def test_the_run_of_somebody_else_is_as_missing_as_one_that_there_is_not(query: str) -> None:
    agent = Agent(ScriptedModel(['High water ', 'at noon.']))
    async with StreamRunner(formats=[Frames(['text'])]) as runner:
        app = durable_streams(runner.log, authorize=who)
        stream = await runner.start(RunStream(agent.run_stream_events('When?')), owner='ann')
        await asyncio.sleep(1)
        foreign = [await ask(app, 'GET', f'/{stream}{query}', headers=one) for one in (BOB, NOBODY)]
        unknown = await ask(app, 'GET', f'/unknown{query}', headers=BOB)
        for call in foreign:
            assert (call.status, call.body, call.headers) == (404, unknown.body, unknown.headers)
        assert (await ask(app, 'HEAD', f'/{stream}', headers=BOB)).status == 404
        mine = await ask(app, 'GET', f'/{stream}{query}', headers=ANN)
        assert mine.status == 200
        assert ('High water' in mine.text) == ('now' not in query)


async def test_streams_without_an_owner_are_those_of_who_is_not_known(app: DurableStreams, log: StreamLog) -> None:
    await (await log.create('s')).close([b'1'])
    assert [(await ask(app, 'GET', '/s', headers=one)).status for one in (NOBODY, ANN)] == [200, 404]


async def test_what_is_made_is_its_makers_and_others_can_neither_write_nor_end_it(
    app: DurableStreams, log: StreamLog
) -> None:
    assert (await ask(app, 'PUT', '/s', '[1]', ANN)).status == 201
    assert (await log.head('s')).owner == 'ann'
    for one in (BOB, NOBODY):
        turn = {'producer-id': 'p', 'producer-epoch': '0', 'producer-seq': '0'}
        closing = {'stream-closed': 'true'}
        assert (await ask(app, 'POST', '/s', '2', one)).status == 404
        assert (await ask(app, 'POST', '/s', '2', {**one, **turn})).status == 404
        assert (await ask(app, 'POST', '/s', headers={**one, **closing})).status == 404
        assert (await ask(app, 'DELETE', '/s', headers=one)).status == 404
    assert (await ask(app, 'POST', '/s', '2', ANN)).status == 204
    call = await ask(app, 'GET', '/s', headers=ANN)
    assert call.json == [1, 2]
    assert 'stream-closed' not in call.headers
    assert (await ask(app, 'DELETE', '/s', headers=ANN)).status == 204


async def test_a_name_that_is_taken_is_not_given_to_somebody_else_who_asks_for_the_same(app: DurableStreams) -> None:
    await ask(app, 'PUT', '/s', headers=ANN)
    assert [(await ask(app, 'PUT', '/s', headers=one)).status for one in (ANN, BOB, NOBODY)] == [200, 409, 409]


async def test_nobody_gets_at_a_stream_by_a_fork_of_it(app: DurableStreams) -> None:
    fork = {'stream-forked-from': '/s'}
    await ask(app, 'PUT', '/s', '[1]', ANN)
    assert (await ask(app, 'PUT', '/f', headers={**BOB, **fork})).status == 404
    assert (await ask(app, 'PUT', '/f', headers={**ANN, **fork})).status == 201
    assert [(await ask(app, 'GET', '/f', headers=one)).status for one in (ANN, BOB)] == [200, 404]
    assert (await ask(app, 'DELETE', '/s', headers=ANN)).status == 204
    # What is left of it, while there is a fork, is hers too.
    assert [(await ask(app, 'GET', '/s', headers=one)).status for one in (ANN, BOB)] == [410, 404]
    assert [(await ask(app, 'PUT', '/s', headers=one)).status for one in (ANN, BOB)] == [409, 409]


async def test_who_follows_a_stream_does_not_get_that_of_somebody_else_who_takes_its_name(
    app: DurableStreams,
) -> None:
    await ask(app, 'PUT', '/s', '["hers"]', ANN)
    following = begin(app, 'GET', '/s?offset=-1&live=sse', headers=ANN)
    await asyncio.sleep(1)
    await ask(app, 'DELETE', '/s', headers=ANN)
    await ask(app, 'PUT', '/s', '["his"]', BOB)
    await asyncio.sleep(1)
    following.leave()
    await following.done()
    assert following.said == '["hers"]'


async def test_who_is_refused_is_told_so_also_on_a_page_of_another_origin(app: DurableStreams) -> None:
    call = await ask(app, 'GET', '/s', headers={'authorization': 'expired'})
    assert (call.status, call.text, call.headers['www-authenticate']) == (401, 'Log in again.', 'Bearer')
    assert call.headers['access-control-allow-origin'] == '*'


async def test_a_browser_that_asks_what_it_may_do_need_not_say_who_it_is(log: StreamLog) -> None:
    def nobody(connection: HTTPConnection) -> str | None:
        raise HTTPException(401)

    app = durable_streams(log, authorize=nobody, writable=True)
    assert (await ask(app, 'OPTIONS', '/s')).status == 204


async def test_the_next_one_at_the_same_browser_is_not_shown_what_it_has_kept(app: DurableStreams) -> None:
    await ask(app, 'PUT', '/s', '[1]', {**ANN, 'stream-closed': 'true'})
    call = await ask(app, 'GET', '/s', headers=ANN)
    assert call.headers['cache-control'] == 'private, no-cache'
    has = {'if-none-match': call.headers['etag']}
    assert [(await ask(app, 'GET', '/s', headers={**one, **has})).status for one in (ANN, BOB)] == [304, 404]


@pytest.mark.parametrize(
    ('headers', 'status'),
    [
        ({'origin': 'https://evil.example', 'cookie': 'session=ann'}, 403),
        ({'origin': 'null', 'cookie': 'session=ann'}, 403),
        ({'origin': 'http://test', 'host': 'test', 'cookie': 'session=ann'}, 204),
        ({'cookie': 'session=ann'}, 204),
        ({'origin': 'https://evil.example', **ANN}, 204),
    ],
)
async def test_a_page_of_another_site_does_not_write_by_the_cookie_of_who_reads_it(
    log: StreamLog, headers: dict[str, str], status: int
) -> None:
    def cookie_or_token(connection: HTTPConnection) -> str | None:
        return connection.cookies.get('session') or connection.headers.get('authorization')

    app = durable_streams(log, authorize=cookie_or_token, writable=True)
    await ask(app, 'PUT', '/s', 'one', {**ANN, 'content-type': 'text/plain'})
    # What browsers send without asking beforehand.
    call = await ask(app, 'POST', '/s', 'two', {'content-type': 'text/plain', **headers})
    assert call.status == status
    assert (await ask(app, 'GET', '/s', headers=headers)).text == ('onetwo' if status == 204 else 'one')
    named = durable_streams(log, authorize=cookie_or_token, writable=True, allow_origin='https://evil.example')
    assert (await ask(named, 'POST', '/s', '3', {'content-type': 'text/plain', **headers})).status == (
        403 if headers.get('origin') == 'null' else 204
    )


async def test_an_answer_of_authorize_that_is_no_name_lets_nobody_in(log: StreamLog) -> None:
    def confused(connection: HTTPConnection) -> Any:
        return True

    await (await log.create('s')).close([b'1'])
    with pytest.raises(TypeError, match='authorize has returned a bool'):
        await ask(durable_streams(log, authorize=confused), 'GET', '/s')
