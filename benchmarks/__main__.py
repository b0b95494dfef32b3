"""`python -m benchmarks` prints every figure that the project states; with names, those of these parts."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import capabilities, chats, guards, overhead, partials, serving, smoothing, stores, telemetry

__all__ = ['PARTS', 'main']

PARTS: dict[str, tuple[str, Callable[[], None]]] = {
    'smoothing': ('pacing on arrival traces, in virtual time', smoothing.main),
    'overhead': ('RunStream over the bare events', overhead.main),
    'telemetry': ('spans and figures over runs without', telemetry.main),
    'stores': ('conversations of 1,000 messages', stores.main),
    'chats': ('journals, and the view of tool calls', chats.main),
    'capabilities': ('what is mounted on an agent, over the bare events', capabilities.main),
    'guards': ('deadlines and recovery, by themselves and in a run', guards.main),
    'serving': ('a run shown to a thousand viewers over HTTP', serving.main),
    'partials': ('structured outputs while they stream', partials.main),
}


def main(*names: str) -> None:
    """Run the benchmarks of these names, or all."""
    for name in names or PARTS:
        if name not in PARTS:
            sys.exit(f'{name!r} is none of {", ".join(PARTS)}')
        title, run = PARTS[name]
        print(f'{name.upper()}: {title}\n')
        run()
        print()


if __name__ == '__main__':
    main(*sys.argv[1:])
