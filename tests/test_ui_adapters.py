"""The example behind the UI adapters, read by the real JavaScript clients: what is mounted arrives, once each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.npm import needs_npm, packages_in

EXAMPLE = Path(__file__).parent.parent / 'examples' / 'ui_adapters'

pytestmark = needs_npm


@pytest.fixture(scope='module')
def told() -> dict[str, Any]:
    """What the clients have shown."""
    packages_in(EXAMPLE)
    command = [sys.executable, str(EXAMPLE / 'run.py'), '--json']
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize('client', ['ai', '@ag-ui/client'])
def test_partials_calls_and_the_timeline_arrive_and_are_changed_in_place(told: dict[str, Any], client: str) -> None:
    shown = told[client]
    assert shown['text'] == 'Let me look at the timetable before I promise anything.'
    by_type: dict[str, list[dict[str, Any]]] = {}
    for part in shown['kept'].values():
        by_type.setdefault(part['type'], []).append(part)
    assert {kind: len(parts) for kind, parts in by_type.items()} == {
        'data-streaming.tool_call': 2,
        'data-streaming.timeline': 1,
        'data-streaming.partial_output': 1,
    }
    assert shown['inPlace']
    assert all(part['changes'] > 1 for parts in by_type.values() for part in parts)
    [output] = [part['data'] for part in by_type['data-streaming.partial_output']]
    assert (output['is_final'], output['value']['boat'], output['errors']) == (True, '13:15', [])
    assert [part['data']['state'] for part in by_type['data-streaming.tool_call']] == ['returned', 'returned']
    [timeline] = [part['data'] for part in by_type['data-streaming.timeline']]
    assert {activity for activity, _, _ in timeline['spans']} == {'waiting', 'model', 'tool'}


@pytest.mark.parametrize('client', ['ai', '@ag-ui/client'])
def test_a_second_question_goes_out_with_what_the_client_has_kept(told: dict[str, Any], client: str) -> None:
    assert told[client]['turns'] == 2


@pytest.mark.parametrize('client', ['ai', '@ag-ui/client'])
def test_a_reply_that_goes_on_after_a_stall_shows_no_text_twice_and_says_so(told: dict[str, Any], client: str) -> None:
    recovered = told[client]['recovered']['continue']
    assert ''.join(recovered['texts']) == 'The boat leaves at 13:15.'
    [event] = recovered['told']
    assert (event['step'], event['broke'], event['request']) == ('continue', 'stall', 2)


@pytest.mark.parametrize('client', ['ai', '@ag-ui/client'])
def test_a_reply_that_begins_anew_says_which_text_to_drop(told: dict[str, Any], client: str) -> None:
    recovered = told[client]['recovered']['restart']
    [event] = recovered['told']
    assert (event['step'], event['broke'], event['request']) == ('restart', 'stall', 2)
    before, *after = recovered['texts']
    assert before == event['text'] == 'The boat leaves '
    assert after == ['The boat leaves at 13:15.']
    assert recovered['order'] == ['text', 'data-stream_recovered', 'text']
