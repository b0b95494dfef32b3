"""Streams in a real Jupyter kernel, where an event loop runs already."""

from __future__ import annotations

import time
from collections.abc import Iterator
from queue import Empty
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

# jupyter_client leaves its zmq context to the garbage collector.
pytestmark = pytest.mark.filterwarnings('ignore::ResourceWarning', 'ignore::pytest.PytestUnraisableExceptionWarning')

SETUP = """
from pydantic_ai import Agent
from pydantic_ai_streaming import Deadlines, RunStream, Smoothing, StreamTimeout, run_stream_sync
from pydantic_ai_streaming.testing import ScriptedModel, Stall

agent = Agent(ScriptedModel(['One ', 'two ', 'three.'], loop=True, gap=0.02))
stalling = Agent(ScriptedModel(['Kept ', Stall()], loop=True))
"""


class Notebook:
    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def start(self, code: str) -> str:
        return self.client.execute(code, store_history=False)

    def printed(self, ran: str) -> str:
        """What a cell printed; the last line is the name of its error, if it ended with one."""
        text = ''
        while True:
            message: dict[str, Any] = self.client.get_iopub_msg(timeout=30)
            if message['parent_header'].get('msg_id') != ran:
                continue
            content = message['content']
            if message['msg_type'] == 'stream':
                text += content['text']
            elif message['msg_type'] == 'error':
                text += f'{content["ename"]}: {content["evalue"]}'
            elif message['msg_type'] == 'status' and content['execution_state'] == 'idle':
                return text

    def run(self, code: str) -> str:
        return self.printed(self.start(code))


@pytest.fixture(scope='module')
def notebook() -> Iterator[Notebook]:
    manager = KernelManager()
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        notebook = Notebook(manager, client)
        assert notebook.run(SETUP) == ''
        yield notebook
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def test_a_synchronous_stream_works_where_a_loop_runs_already(notebook: Notebook) -> None:
    code = """
with run_stream_sync(agent.run_stream_events('Go')) as stream:
    for piece in stream.text(smoothing=Smoothing()):
        print(piece, end='')
print('|', stream.finish)
"""
    assert notebook.run(code) == 'One two three.| complete\n'
    assert notebook.run(code) == 'One two three.| complete\n'


def test_a_stream_with_await_works_at_the_top_of_a_cell(notebook: Notebook) -> None:
    code = """
async with RunStream(agent.run_stream_events('Go')) as stream:
    async for piece in stream.text():
        print(piece, end='')
print('|', stream.finish)
"""
    assert notebook.run(code) == 'One two three.| complete\n'


def test_a_deadline_holds_in_a_cell(notebook: Notebook) -> None:
    code = """
with run_stream_sync(stalling.run_stream_events('Go'), deadlines=Deadlines(idle=0.2)) as stream:
    for piece in stream.text():
        print(piece, end='')
"""
    printed = notebook.run(code)
    assert printed.startswith('Kept StreamTimeout: The stream was stopped after 0.2')
    assert notebook.run('print(repr(stream.text_so_far), stream.finish)') == "'Kept ' timed_out\n"


@pytest.mark.parametrize('kind', ['sync', 'await'])
def test_interrupting_a_cell_keeps_what_came_and_the_kernel_usable(notebook: Notebook, kind: str) -> None:
    ran = notebook.start(
        """
with run_stream_sync(stalling.run_stream_events('Go')) as stream:
    for piece in stream.text():
        print(piece, end='', flush=True)
"""
        if kind == 'sync'
        else """
async with RunStream(stalling.run_stream_events('Go')) as stream:
    async for piece in stream.text():
        print(piece, end='', flush=True)
"""
    )
    _wait_until_printed(notebook, ran, 'Kept ')
    notebook.manager.interrupt_kernel()
    # With `await`, the kernel cancels the cell's task; without, the interrupt comes as it does in a script.
    assert notebook.printed(ran).split(':')[0] in ('KeyboardInterrupt', 'CancelledError')
    assert notebook.run('print(repr(stream.text_so_far), stream.finish)') == "'Kept ' stopped\n"


def _wait_until_printed(notebook: Notebook, ran: str, text: str) -> None:
    seen, until = '', time.monotonic() + 30
    while text not in seen:
        assert time.monotonic() < until, f'the cell has printed {seen!r}'
        try:
            message: dict[str, Any] = notebook.client.get_iopub_msg(timeout=1)
        except Empty:
            continue
        if message['parent_header'].get('msg_id') == ran and message['msg_type'] == 'stream':
            seen += message['content']['text']
