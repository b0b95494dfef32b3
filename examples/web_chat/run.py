"""A chat in the browser that can be lost and picked up again: `python examples/web_chat/run.py`, then open the address.

    python examples/web_chat/run.py                             # a scripted model, in memory
    python examples/web_chat/run.py --model openai:gpt-5-mini   # any model of pydantic-ai
    python examples/web_chat/run.py --log sqlite:runs.db        # runs that other workers on this machine can read
    python examples/web_chat/run.py --log redis://localhost     # or on other machines

/ is a React page on `useChat` of the AI SDK 7; it is built the first time, which needs Node 20 and npm. /plain is a
page without a build step. Both show the text with a cursor, the tools at work, and the answer as it fills in; reload
them in the middle, open a second tab, go offline, or press Stop.

pip install 'pydantic-ai-streaming[serve]' 'pydantic-ai-slim[ui]' fastapi uvicorn
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import uvicorn
from pydantic_ai.exceptions import UserError

sys.path.insert(0, str(Path(__file__).parent))

from server import BUILT, make_app

from pydantic_ai_streaming.errors import StoreError
from pydantic_ai_streaming.logs import MemoryLog, StreamLog
from pydantic_ai_streaming.stores import SQLiteConversationStore

PAGE = Path(__file__).parent / 'page'


def build() -> None:
    """Build the page, the first time and whenever its sources have changed."""
    sources = [*PAGE.glob('src/*'), *PAGE.glob('*.json'), *PAGE.glob('*.html'), *PAGE.glob('*.ts')]
    built = BUILT / 'index.html'
    if built.exists() and built.stat().st_mtime >= max(one.stat().st_mtime for one in sources):
        return
    missing = [name for name in ('node', 'npm') if shutil.which(name) is None]
    if missing:
        print(f'Node 20 and npm build the page, and there is no {missing[0]} here: see /plain.', file=sys.stderr)
        return
    print('Building the page, which takes half a minute the first time', file=sys.stderr)
    for command in (['npm', 'ci', '--no-audit', '--no-fund', '--ignore-scripts', '--silent'], ['npm', 'run', 'build']):
        if subprocess.run(command, cwd=PAGE, stdout=subprocess.DEVNULL).returncode:
            print(f'The page could not be built ({" ".join(command[:3])} in {PAGE}): see /plain.', file=sys.stderr)
            return


def log_of(where: str) -> StreamLog:
    """A log: `memory`, `sqlite:PATH` or `redis://...`."""
    if where == 'memory':
        return MemoryLog()
    if where.startswith('sqlite:'):
        from pydantic_ai_streaming.logs import SQLiteLog

        if not (path := where.removeprefix('sqlite:')):
            raise ValueError('the path is missing')
        return SQLiteLog(path)
    if where.startswith('redis'):
        from pydantic_ai_streaming.logs import RedisLog

        return RedisLog(where)
    raise ValueError('there is no such log')


async def opened(where: str) -> StreamLog:
    """A log that could be opened; it is closed again, and the server opens it."""
    log = log_of(where)
    async with log:
        return log


async def looked_into(chats: str) -> None:
    """See that the file of the conversations can be used, or can be made."""
    async with SQLiteConversationStore(chats) as store:
        await store.load('any')


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition(':')[0])
    parser.add_argument('--model', help='a model of pydantic-ai, such as openai:gpt-5-mini; scripted by default')
    parser.add_argument('--log', default='memory', help='memory (default), sqlite:PATH or redis://HOST')
    parser.add_argument('--chats', default='web_chat.db', help='the file of the conversations')
    parser.add_argument('--port', type=int, default=8000)
    parser.add_argument('--gap', type=float, default=0.04, help='seconds between two pieces of the scripted model')
    options = parser.parse_args()
    if not 0 < options.port < 2**16:
        parser.error(f'--port {options.port}: use 1 to 65535')
    if options.gap < 0:
        parser.error(f'--gap {options.gap}: use 0 or more seconds')
    try:
        log = asyncio.run(opened(options.log))
    except StoreError as error:
        # It says where; the option itself may have a password in it.
        parser.exit(2, f'--log: {error} Without --log, runs are kept in memory.\n')
    except ValueError as error:
        parser.exit(2, f'--log: {error}; use memory, sqlite:PATH or redis://HOST.\n')
    except ImportError as error:
        parser.exit(2, f'--log: {error}\n')
    try:
        asyncio.run(looked_into(options.chats))
    except StoreError as error:
        parser.exit(2, f'--chats: {error}\n')
    build()
    try:
        app = make_app(options.model, log=log, chats=options.chats, gap=options.gap)
    except (UserError, ImportError) as error:  # a model that is not known, its key or its client
        raise SystemExit(f'--model {options.model}: {error}') from None
    uvicorn.run(app, port=options.port, timeout_graceful_shutdown=2)


if __name__ == '__main__':
    main()
