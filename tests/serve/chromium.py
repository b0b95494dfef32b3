"""A page in a real Chromium, for what only a browser does."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.npm import packages_in

__all__ = ['in_a_page', 'needs_chromium']

BROWSER = Path(__file__).parent.parent / 'browser'
CHROMIUM = os.environ.get('CHROMIUM') or shutil.which('chromium') or shutil.which('google-chrome')

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or shutil.which('node') is None or shutil.which('npm') is None,
    reason='node, npm or a browser is missing: `make services` installs chromium (as root), or set CHROMIUM',
)


async def in_a_page(address: str, scene: str, *given: str) -> dict[str, Any]:
    """Play a scene of `event_source.mjs` in a page at an address; what was seen."""
    await asyncio.to_thread(packages_in, BROWSER)
    command = ['node', str(BROWSER / 'event_source.mjs'), str(CHROMIUM), address, scene, *given]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        out, error = await asyncio.wait_for(process.communicate(), 60)
    except BaseException:
        process.kill()
        raise
    assert process.returncode == 0, error.decode()
    return json.loads(out)
