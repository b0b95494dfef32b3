"""`show` in a real Jupyter kernel: one output for each cell, updated in its place."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from queue import Empty
from types import ModuleType
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from pydantic_ai import Agent, ModelRetry

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.display import show
from pydantic_ai_streaming.testing import ScriptedModel, Stall

EXAMPLES = Path(__file__).parent.parent.parent / 'examples'

# jupyter_client leaves its zmq context to the garbage collector.
pytestmark = pytest.mark.filterwarnings('ignore::ResourceWarning', 'ignore::pytest.PytestUnraisableExceptionWarning')

SETUP = """
import asyncio, sys
assert 'markdown_it' not in sys.modules
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai_streaming import Deadlines, RunStream
from pydantic_ai_streaming.display import show
from pydantic_ai_streaming.testing import ScriptedModel, Stall, ToolCall
"""


@dataclass
class Cell:
    """What a cell has put out: its outputs as they would be saved, and how they came to be."""

    outputs: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    updates: int = 0
    size: int = 0
    printed: str = ''
    error: str = ''

    @property
    def html(self) -> str:
        (output,) = self.outputs.values()
        return output['text/html']

    @property
    def words(self) -> str:
        return ' '.join(unescape(re.sub(r'<[^>]*>', ' ', self.html)).split())


class Notebook:
    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def start(self, code: str) -> str:
        return self.client.execute(code, store_history=False)

    def finish(self, ran: str, cell: Cell, *, interrupt_when: str = '') -> Cell:
        until = time.monotonic() + 60
        while True:
            try:
                message: dict[str, Any] = self.client.get_iopub_msg(timeout=1)
            except Empty:
                assert time.monotonic() < until, cell
                continue
            if message['parent_header'].get('msg_id') == ran and self._is_last(message, cell):
                return cell
            if interrupt_when and cell.outputs and interrupt_when in cell.words:
                interrupt_when = ''
                self.manager.interrupt_kernel()

    def _is_last(self, message: dict[str, Any], cell: Cell) -> bool:
        content, kind = message['content'], message['msg_type']
        if kind in ('display_data', 'update_display_data'):
            name = content['transient']['display_id']
            assert (kind == 'display_data') == (name not in cell.outputs), 'made once, and updated from then on'
            cell.outputs[name] = {'text/html': '', **content['data']}
            cell.updates += kind == 'update_display_data'
            cell.size += len(json.dumps(content))
        elif kind == 'stream':
            cell.printed += content['text']
        elif kind == 'error':
            cell.error = f'{content["ename"]}: {content["evalue"]}'
        return kind == 'status' and content['execution_state'] == 'idle'

    def run(self, code: str, *, interrupt_when: str = '') -> Cell:
        return self.finish(self.start(code), Cell(), interrupt_when=interrupt_when)


def kernel() -> Iterator[Notebook]:
    manager = KernelManager()
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield Notebook(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


@pytest.fixture(scope='module')
def notebook() -> Iterator[Notebook]:
    for notebook in kernel():
        assert notebook.run(SETUP) == Cell()
        yield notebook


def test_a_run_grows_in_one_output_and_stays_as_it_is_in_the_end(notebook: Notebook) -> None:
    cell = notebook.run("""
agent = Agent(ScriptedModel(['# Tides\\n\\n', *(f'word{n} ' for n in range(60)), '**end** <b>'], gap=0.01))
async with RunStream(agent.run_stream_events('Go')) as stream:
    await show(stream)
""")
    assert (cell.error, cell.printed) == ('', '')
    assert '<h1>Tides</h1>' in cell.html
    assert '<strong>end</strong> &lt;b&gt;' in cell.html
    assert re.search(r'word0 .* word59 .*complete · first content', cell.words)
    assert cell.words.count('word0 ') == 1
    assert 3 < cell.updates < 40


def test_updates_stay_within_what_jupyter_takes(notebook: Notebook) -> None:
    cell = notebook.run("""
agent = Agent(ScriptedModel([f'word {n} of a long text. ' * 20 for n in range(400)], gap=0.002))
began = asyncio.get_running_loop().time()
async with RunStream(agent.run_stream_events('Go')) as stream:
    await show(stream, smoothing=None)
print(asyncio.get_running_loop().time() - began)
""")
    seconds = float(cell.printed)
    assert 'word 399 of' in cell.words
    # The first update and the last one come whatever was before.
    assert cell.updates <= seconds * 15 + 2
    last = 2 * len(cell.html)
    assert cell.size <= 2 * last + seconds * 1_000_000


def test_tools_are_a_picture_and_rejected_text_is_taken_back(notebook: Notebook) -> None:
    cell = notebook.run("""
from pydantic_ai import ModelRetry
agent = Agent(ScriptedModel(['Wait. ', ToolCall('tide', {'port': 'Farland'})], ['It is 8.'], ['It is 7.']), retries=2)

@agent.tool_plain
async def tide(port: str) -> str:
    await asyncio.sleep(0.7)
    return '12:04'

@agent.output_validator
def odd(output: str) -> str:
    if '8' in output:
        raise ModelRetry('8 is even')
    return output

async with RunStream(agent.run_stream_events('Go')) as stream:
    await show(stream)
""")
    assert cell.error == ''
    assert re.search(r'It is 7\. .*tide returned 0\.[78]\d? s.*attempt 1 was rejected: 8 is even', cell.words)
    assert 'It is 8' not in cell.words
    assert 'role="img"' in cell.html


def test_a_structured_output_is_a_table_that_fills_in(notebook: Notebook) -> None:
    cell = notebook.run("""
class Trip(BaseModel):
    title: str
    stops: list[str]

document = {'title': 'Two islands', 'stops': ['Farland', 'Near & Dear']}
agent = Agent(ScriptedModel([ToolCall('final_result', document, pieces=3)], gap=0.02), output_type=Trip)
async with RunStream(agent.run_stream_events('Go')) as stream:
    await show(stream)
""")
    assert cell.error == ''
    assert cell.words.startswith('✓ title Two islands ✓ stops Farland, Near & Dear')
    assert 'role="img"' not in cell.html, 'an output tool is no tool at work'
    assert cell.updates > 3


def test_interrupting_the_cell_keeps_the_partial_answer_and_the_kernel_usable(notebook: Notebook) -> None:
    cell = notebook.run(
        """
agent = Agent(ScriptedModel(['Kept ', Stall()]))
async with RunStream(agent.run_stream_events('Go')) as stream:
    await show(stream)
""",
        interrupt_when='Kept',
    )
    assert cell.error.split(':')[0] in ('KeyboardInterrupt', 'CancelledError')
    assert re.search(r'Kept .*interrupted', cell.words)
    cell = notebook.run('print(repr(stream.text_so_far), stream.finish)')
    assert cell.printed == "'Kept ' stopped\n"


def test_a_failure_is_shown_and_raised(notebook: Notebook) -> None:
    cell = notebook.run("""
agent = Agent(ScriptedModel(['Kept ', Stall()]))
async with RunStream(agent.run_stream_events('Go'), deadlines=Deadlines(idle=0.1)) as stream:
    await show(stream)
""")
    assert cell.error.startswith('StreamTimeout')
    assert re.search(r'Kept ✗ StreamTimeout: .*timed_out', cell.words)


# The notebooks in examples/

NOTEBOOKS = sorted(EXAMPLES.glob('*.ipynb'))


def code_of(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text('utf-8'))['cells']
    return [cell for cell in cells if cell['cell_type'] == 'code']


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} == {'quickstart', 'outputs_and_tools'}


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    for cell in code_of(path):
        assert cell['outputs'] == []
        assert cell['execution_count'] is None
        assert cell['metadata'] == {}


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_beginning_to_its_end(path: Path) -> None:
    for notebook in kernel():
        cells = [(notebook.run(code), code) for code in (''.join(cell['source']) for cell in code_of(path))]
        assert [cell.error for cell, _ in cells if cell.error] == []
        shown = [cell for cell, code in cells if 'show(' in code]
        assert len(shown) >= 3
        for cell in shown:
            assert re.search(r'(complete|timed_out|stopped|interrupted) · ', cell.words)


# Elsewhere


class Marimo(ModuleType):
    """As much of marimo as `show` knows."""

    def __init__(self) -> None:
        super().__init__('marimo')
        self.shown: list[str] = []
        self.output = self
        self.inside = True

    def running_in_notebook(self) -> bool:
        return self.inside

    def Html(self, html: str) -> str:  # noqa: N802 - marimo's name
        return html

    def replace(self, html: str) -> None:
        self.shown.append(html)


@pytest.mark.virtual_time
async def test_in_marimo_the_output_of_the_cell_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    marimo = Marimo()
    monkeypatch.setitem(sys.modules, 'marimo', marimo)
    monkeypatch.delitem(sys.modules, 'IPython', raising=False)
    agent = Agent(ScriptedModel([f'{number} ' for number in range(100)], gap=0.02))
    async with RunStream(agent.run_stream_events('Go')) as stream:
        await show(stream)
    assert 20 < len(marimo.shown) < 15 * 2.5
    assert '0 1 2' in marimo.shown[-1]
    assert '99' in marimo.shown[-1]


@pytest.mark.virtual_time
async def test_a_stream_that_was_left_in_the_middle_shows_what_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    marimo = Marimo()
    monkeypatch.setitem(sys.modules, 'marimo', marimo)
    monkeypatch.delitem(sys.modules, 'IPython', raising=False)
    agent = Agent(ScriptedModel(['Rejected'], ['Kept ', Stall()]))

    @agent.output_validator
    def never(output: str) -> str:
        raise ModelRetry('no')

    async with RunStream(agent.run_stream_events('Go')) as stream:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(show(stream), 1)
    assert 'Kept' in marimo.shown[-1]
    assert 'Rejected' not in marimo.shown[-1]
    assert 'interrupted' in marimo.shown[-1]


async def test_outside_of_a_notebook_the_run_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    marimo = Marimo()
    marimo.inside = False
    monkeypatch.setitem(sys.modules, 'marimo', marimo)
    async with RunStream(Agent(ScriptedModel(['One ', 'two.'])).run_stream_events('Go')) as stream:
        await show(stream)
    assert capsys.readouterr().out == 'One two.\n'
    assert marimo.shown == []
