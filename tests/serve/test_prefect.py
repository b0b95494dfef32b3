"""A flow of the real Prefect, one of whose steps is tried again. Skipped without it: `pip install prefect`, which is
much beside what the other tests need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.skipif(find_spec('prefect') is None, reason='Prefect is not installed: pip install prefect')


def test_a_step_that_is_tried_again_shows_each_piece_once_and_a_guard_is_refused(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, '-m', 'tests.serve.prefect_flow', tmp_path / 'streams.db'],
        cwd=ROOT,
        env={
            **os.environ,
            'PREFECT_HOME': str(tmp_path),  # where its server, which lasts as long as the program, keeps its database
            'PREFECT_SERVER_ANALYTICS_ENABLED': 'false',
            'PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS': '120',
            'PREFECT_LOGGING_LEVEL': 'CRITICAL',
        },
        capture_output=True,
        encoding='utf-8',
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told['requests'] == 3, 'the first was tried again'
    assert [(one['type'], one.get('text', one.get('state'))) for one in told['frames']] == [
        ('start', None),
        ('text', 'High '),
        ('text', 'water '),
        ('tool_call', 'running'),
        ('tool_call', 'returned'),
        ('text', 'at noon.'),
        ('end', None),
    ]
    assert told['streamed'] == ['at noon', 'complete']
    assert 'StreamGuard cannot be used in a durable workflow' in told['guarded']
    assert told['outside'] == 'at noon'
