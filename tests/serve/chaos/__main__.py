"""`python -m tests.serve.chaos --backend redis --disconnects 2000 --kills 20`: the long form of `test_chaos.py`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests.logs.places import KINDS, Kind, LogPlace
from tests.serve.chaos.play import Plan, play
from tests.servers import start_redis


@contextmanager
def a_place(kind: Kind, directory: Path) -> Generator[LogPlace]:
    if kind == 'redis':
        with start_redis() as server:
            yield LogPlace(kind, server.url, f'chaos-{uuid4().hex}')
    else:
        yield LogPlace(kind, str(directory / 'streams.db'))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--backend', choices=KINDS, required=True)
    usual = Plan()
    for name in ('streams', 'viewers', 'disconnects', 'kills', 'seed'):
        parser.add_argument(f'--{name}', type=int, default=getattr(usual, name))
    for name in ('lease', 'stay'):
        parser.add_argument(f'--{name}', type=float, default=getattr(usual, name), help='seconds')
    options = vars(parser.parse_args())
    kind: Kind = options.pop('backend')
    if kind == 'memory':
        options['kills'] = 0  # with its process, a log in memory is gone
    with tempfile.TemporaryDirectory() as directory, a_place(kind, Path(directory)) as place:
        report = asyncio.run(play(place, Path(directory), Plan(**options)))
    print(f'{kind}: {report}')
    found = report.defects
    for one in found[:20]:
        print(f'  {one.kind}: {one.where}')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
