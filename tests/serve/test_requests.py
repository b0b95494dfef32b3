"""Requests as an attacker or a broken client sends them, in raw bytes: each has the status that is documented."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request

from pydantic_ai_streaming.serve.asked import body_of
from pydantic_ai_streaming.serve.limits import Unfinished
from pydantic_ai_streaming.serve.refused import Refused
from tests.serve.serving import Client, serving_app, until
from tests.serve.test_router import Site, ui_message


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield client


async def answers(address: str, *requests: str | bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Status, headers and body of each of these requests, which are sent as they are."""
    host, _, port = address.partition(':')

    async def answer(request: str | bytes) -> tuple[int, dict[str, str], bytes]:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request.encode('latin-1') if isinstance(request, str) else request)
        whole = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        head, _, body = whole.partition(b'\r\n\r\n')
        status, *lines = head.decode('latin-1').split('\r\n')
        fields = (line.partition(':') for line in lines)
        return int(status.split()[1]), {name.lower(): value.strip() for name, _, value in fields}, body

    return [await answer(one) for one in requests]


def request(method: str, path: str, *headers: str, body: str = '') -> str:
    lines = (f'{method} {path} HTTP/1.1', 'host: localhost', 'connection: close', *headers)
    return '\r\n'.join((*lines, f'content-length: {len(body)}', '', body))


async def over(client: Client, site: Site, address: str) -> str:
    """A stream of this site that has come to its end."""
    stream = (await client.post(f'http://{address}/runs/', json={'prompt': 'Go', 'chat': 'c'})).json()['stream']
    await until(lambda: not site.runner.ids)
    return stream


@pytest.mark.parametrize(
    ('query', 'error'),
    [
        ('?offset=', 'malformed_offset'),
        ('?offset=1e3', 'malformed_offset'),
        ('?offset=%2B1', 'malformed_offset'),
        ('?offset=0x1', 'malformed_offset'),
        ('?offset=1_0', 'malformed_offset'),
        ('?offset=%EF%BC%99', 'malformed_offset'),
        ('?offset=%FF', 'malformed_offset'),
        ('?offset=1%00', 'malformed_offset'),
        ('?offset=' + '9' * 5000, 'malformed_offset'),
        ('?offset=999999999999999', 'offset_beyond'),
        ('?offset=0&offset=1', 'malformed'),
        ('?format=', 'unknown_format'),
        ('?format=ai-sdk', 'unknown_format'),
        ('?format=__class__', 'unknown_format'),
        ('?format=frames&format=frames', 'malformed'),
    ],
)
async def test_what_is_asked_for_is_one_thing_or_refused(client: Client, query: str, error: str) -> None:
    site = Site(gap=0)
    async with serving_app(site.app) as address:
        stream = await over(client, site, address)
        ((status, _, body),) = await answers(address, request('GET', f'/runs/{stream}{query[:6000]}'))
        assert (status, json.loads(body)['error']) == (400, error)


async def test_the_id_of_the_last_event_is_one_of_this_stream_or_refused(client: Client) -> None:
    site = Site(gap=0)
    async with serving_app(site.app) as address:
        stream = await over(client, site, address)
        lines = [
            [f'last-event-id: {last}']
            for last in (f'{stream}:', ':', stream, ':1', f'{stream}:1:2', f'{stream}:\xb2', '%:1', 'a' * 9000, 'a:1')
        ]
        lines.append([f'last-event-id: {stream}:1', f'last-event-id: {stream}:2'])
        told = await answers(address, *(request('GET', f'/runs/{stream}', *each) for each in lines))
        assert [(status, json.loads(body)['error']) for status, _, body in told] == [
            *[(400, 'malformed_offset')] * (len(lines) - 1),
            (400, 'malformed'),
        ]
        # It goes before what the address says, which an EventSource keeps when it comes back.
        headers = {'last-event-id': f'{stream}:1'}
        came = await client.get(f'http://{address}/runs/{stream}?offset=0', headers=headers)
        assert came.text.split('\n')[2] == f'id: {stream}:2'


async def test_the_head_of_a_stream_is_answered_at_once_and_takes_no_place(client: Client) -> None:
    site = Site(gap=0.05, viewers=1)
    async with serving_app(site.app) as address:
        stream = (await client.post(f'http://{address}/runs/', json={'prompt': 'Go', 'chat': 'c'})).json()['stream']
        for path in (stream, 'ai-sdk/c/stream'):
            answer = await client.head(f'http://{address}/runs/{path}')
            assert answer.status_code in (200, 204)
            assert 'no-store' in answer.headers['cache-control']
        assert site.runner.ids == [stream]
        assert (await client.head(f'http://{address}/runs/nowhere')).status_code == 404
        await client.get(f'http://{address}/runs/{stream}')
        nothing = await client.get(f'http://{address}/runs/{stream}?offset=23')
        assert (nothing.status_code, nothing.headers['cache-control']) == (204, 'no-store')


async def test_a_method_that_there_is_not_is_told_which_there_are(client: Client) -> None:
    site = Site(gap=0)
    async with serving_app(site.app) as address:
        paths = ['', 'x', 'x/stop', 'a/b', 'ai-sdk', 'ag-ui', 'ai-sdk/c/stream', 'ai-sdk/a/b/stop']
        told = await answers(address, *(request('PUT', f'/runs/{path}') for path in paths))
        get, post, stream = {'GET', 'HEAD'}, {'POST'}, {'GET', 'HEAD', 'DELETE'}
        there = [set(headers['allow'].split(', ')) for _, headers, _ in told]
        assert there == [get | post, stream, post, stream, post, post, get, post]
        assert {status for status, _, _ in told} == {405}


async def test_nothing_that_a_client_can_send_is_an_error_of_the_server(client: Client) -> None:
    site = Site(gap=0)
    async with serving_app(site.app) as address:
        stream = await over(client, site, address)
        paths = ['%', '%00', '%ff%fe', '..', '%2e%2e/', '/', 'a/b/c', 'a' * 50_000, '%ED%A0%80', 'ws', 'a%0Ab', '%0A']
        paths += [f'ai-sdk/{chat}/stream' for chat in ('', '%00', '%ff', 'a/b', '..', 'x' * 9000)]
        methods = ['GET', 'HEAD', 'POST', 'DELETE', 'PUT', 'OPTIONS', 'TRACE', 'get', 'NONE']
        requests = [request(method, f'/runs/{path}') for path in (*paths, stream) for method in methods]
        bodies = ['"', 'null', '1', '[]', '{"prompt":"\\ud800"}', '{"prompt":NaN}', '{"prompt":"x","chat":"\\udfff"}']
        bodies += ['{"prompt":"x","x":' + '1' * 5000 + '}', '\xff', '{}', '\x00']
        json_type = 'content-type: application/json'
        for path in ('', 'ai-sdk', 'ag-ui'):
            requests += [request('POST', f'/runs/{path}', json_type, body=body) for body in bodies]
        for line in ('content-length: -1', 'content-length: 5\r\ncontent-length: 6', 'transfer-encoding: nope'):
            requests.append(
                f'POST /runs/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{json_type}\r\n{line}\r\n\r\n'
            )
        told = await answers(address, *requests)
        for sent, (status, _, body) in zip(requests, told, strict=True):
            assert status < 500 or status == 501, (sent[:80], status)
            assert b'Traceback' not in body
            assert b'Error' not in body
        assert len(site.model.requests) == 1


async def test_a_chat_whose_name_is_a_path_is_resumed_and_stopped(client: Client) -> None:
    site = Site(gap=0.05)
    async with serving_app(site.app) as address:
        url = f'http://{address}/runs/ai-sdk'
        async with client.stream('POST', url, json=ui_message('Go', 'team/a b')) as answer:
            assert answer.status_code == 200
            async with client.stream('GET', f'{url}/team%2Fa%20b/stream') as resumed:
                assert resumed.status_code == 200
            assert (await client.post(f'{url}/team%2Fa%20b/stop')).json() == {'stopped': True}


async def test_a_page_of_a_site_that_cors_lets_in_follows_and_is_told_what_is_refused(client: Client) -> None:
    site = Site(gap=0)
    allow: dict[str, Any] = {'allow_origins': ['https://app.example'], 'allow_methods': ['*'], 'allow_headers': ['*']}
    site.app.add_middleware(CORSMiddleware, **allow)
    async with serving_app(site.app) as address:
        stream = await over(client, site, address)
        url, origin = f'http://{address}/runs/', {'origin': 'https://app.example'}
        asks = {**origin, 'access-control-request-method': 'DELETE', 'access-control-request-headers': 'last-event-id'}
        assert (await client.options(url + stream, headers=asks)).status_code == 200
        for path, status in (
            (stream, 200),
            (f'{stream}?offset=23', 204),
            ('nowhere', 404),
            (f'{stream}?offset=x', 400),
        ):
            answer = await client.get(url + path, headers=origin)
            assert (answer.status_code, answer.headers['access-control-allow-origin']) == (status, origin['origin'])


class Slow:
    """A client whose body comes in pieces, each after so many seconds."""

    def __init__(self, pieces: list[bytes], gap: float) -> None:
        self.pieces, self.gap = pieces, gap

    async def receive(self) -> Any:
        await asyncio.sleep(self.gap)
        body = self.pieces.pop(0)
        return {'type': 'http.request', 'body': body, 'more_body': bool(self.pieces)}

    async def body(self, limit: int = 2**23) -> bytes:
        return await body_of(Request({'type': 'http', 'headers': []}, self.receive), limit, Unfinished(2**23))


@pytest.mark.virtual_time
async def test_a_body_that_comes_in_drops_is_not_waited_for_for_ever() -> None:
    assert await Slow([b'x'] * 50, gap=1).body() == b'x' * 50
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(Refused) as refused:
        await Slow([b'x'] * 5000, gap=1).body()
    assert loop.time() - began == 60
    assert refused.value.status == 408
    response = refused.value.response(Request({'type': 'http', 'method': 'POST', 'headers': []}))
    assert response.headers['connection'] == 'close'


async def test_a_body_that_comes_byte_by_byte_is_not_copied_each_time() -> None:
    pieces = [b'x' * 4_000_000, *[b'y'] * 4000]
    began = time.process_time()
    assert len(await Slow(pieces, gap=0).body()) == 4_004_000
    # It takes 0.02 s; with a copy for each of them, 2 s.
    assert time.process_time() - began < 1.0
