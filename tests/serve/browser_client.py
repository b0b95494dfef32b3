"""`stream_client.js` in Node, and what is run by Node besides."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from pydantic_ai_streaming.serve import BROWSER_CLIENT
from tests.npm import NODE

__all__ = ['node', 'text_of']

SCRIPT = """
import { streamFrames, StreamLost, patched } from CLIENT
const controller = new AbortController()
const say = (one) => console.log(JSON.stringify(one))
let document
try {
  for await (const frame of streamFrames(ADDRESS, { signal: controller.signal, ...OPTIONS })) {
    if (frame.type === 'output') frame.document = document = patched(document, frame.patch)
    say(frame)
    if (frame.text === ABORT_AT) controller.abort()
    if (frame.text === LEAVE_AT) break
  }
} catch (error) {
  say({ type: 'thrown', name: error.name, lost: error instanceof StreamLost, message: error.message })
}
"""


async def node(url: str, *, abort_at: str = '', leave_at: str = '', **options: Any) -> list[dict[str, Any]]:
    """What the client has yielded, and what it has thrown."""
    script = SCRIPT
    values = {'CLIENT': BROWSER_CLIENT.as_uri(), 'ADDRESS': url, 'ABORT_AT': abort_at, 'LEAVE_AT': leave_at}
    for name, value in {**values, 'OPTIONS': options}.items():
        script = script.replace(name, json.dumps(value), 1)
    process = await asyncio.create_subprocess_exec(
        NODE, '--input-type=module', '-e', script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert err == b''
    return [json.loads(line) for line in out.decode().split('\n') if line]


def text_of(frames: list[dict[str, Any]]) -> str:
    return ''.join(frame['text'] for frame in frames if frame['type'] == 'text')
