"""The thread that synchronous streams share: one that cannot be started, and forks."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

SETUP = """
import asyncio, os, sys, threading, warnings
from pydantic_ai import Agent
from pydantic_ai_streaming import StreamUsageError, run_stream_sync
from pydantic_ai_streaming.testing import ScriptedModel

warnings.simplefilter('ignore')
agent = Agent(ScriptedModel(['One ', 'two ', 'three.'], loop=True, gap=0.05))


def read():
    with run_stream_sync(agent.run_stream_events('Go')) as stream:
        return stream.get_output()


def in_a_child(work):
    if (child := os.fork()) == 0:
        try:
            print(work(), flush=True)
        except StreamUsageError as error:
            print('StreamUsageError', flush=True)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
"""

forks = pytest.mark.skipif(not hasattr(os, 'fork'), reason='no fork here')


def printed(program: str) -> list[str]:
    """What a program of its own prints. One that waits for ever fails after 20 s."""
    # Its own process group ends with it: a child that hangs would keep the pipe open.
    process = subprocess.Popen(
        [sys.executable, '-c', SETUP + textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        return process.communicate(timeout=20)[0].splitlines()
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        raise


@pytest.mark.parametrize('what', ['loops', 'threads'])
def test_a_worker_that_cannot_be_started_is_told_and_the_next_stream_tries_anew(what: str) -> None:
    patched = {'loops': 'asyncio.new_event_loop = asyncio.events.new_event_loop', 'threads': 'threading.Thread.start'}
    program = f"""
        def fails(*_):
            raise OSError('no more {what}')

        original = {patched[what].partition(' ')[0]}
        {patched[what]} = fails
        for _ in range(2):
            try:
                read()
            except OSError as error:
                print(error)
        {patched[what]} = original
        print(read())
    """
    assert printed(program) == [f'no more {what}', f'no more {what}', 'One two three.']


@forks
def test_a_fork_while_another_thread_starts_the_worker_leaves_the_child_its_own() -> None:
    program = """
        starting, original = threading.Event(), asyncio.new_event_loop

        def slow():
            if not starting.is_set():
                starting.set()
                forked.wait(10)
            return original()

        forked = threading.Event()
        asyncio.new_event_loop = asyncio.events.new_event_loop = slow
        thread = threading.Thread(target=lambda: print(read()))
        thread.start()
        assert starting.wait(10)
        in_a_child(read)
        forked.set()
        thread.join()
    """
    assert printed(program) == ['One two three.'] * 2


@forks
def test_a_child_has_synchronous_streams_of_its_own() -> None:
    program = """
        print(read())
        in_a_child(read)
        print(read())
    """
    assert printed(program) == ['One two three.'] * 3


@forks
@pytest.mark.parametrize('what', ['list(pieces)', 'stream.text_so_far', 'stream.get_output()', 'stream.stop()'])
def test_a_child_that_asks_a_stream_of_its_parent_is_told_so(what: str) -> None:
    program = f"""
        with run_stream_sync(agent.run_stream_events('Go')) as stream:
            pieces = stream.text()
            next(pieces)
            in_a_child(lambda: {what})
            print(stream.get_output())
    """
    assert printed(program) == ['StreamUsageError', 'One two three.']


@forks
def test_a_child_that_leaves_the_context_of_its_parent_does_nothing_to_the_run() -> None:
    program = """
        with run_stream_sync(agent.run_stream_events('Go')) as stream:
            next(stream.text())
            child = os.fork()
            if child:
                os.waitpid(child, 0)
                print(stream.get_output(), stream.finish)
        if child == 0:
            print('left', flush=True)
            os._exit(0)
    """
    assert printed(program) == ['left', 'One two three. complete']
