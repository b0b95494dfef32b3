"""The headers that let a page of another origin use streams, and keep browsers from taking them for something else."""

from __future__ import annotations

from typing import Final

__all__ = ['browser_headers']

ASKED: Final = (
    'authorization, content-type, if-none-match, last-event-id, producer-epoch, producer-id, producer-seq, '
    'stream-closed, stream-expected-offset, stream-expires-at, stream-fork-offset, stream-fork-sub-offset, '
    'stream-forked-from, stream-seq, stream-ttl'
)
TOLD: Final = (
    'etag, location, producer-epoch, producer-expected-seq, producer-received-seq, producer-seq, stream-closed, '
    'stream-cursor, stream-expires-at, stream-next-offset, stream-sse-data-encoding, stream-ttl, stream-up-to-date'
)


def browser_headers(origin: str | None, methods: str) -> dict[str, str]:
    """Headers of every response.

    Args:
        origin: Whose pages may use the streams: one, or `*`; `None`: somebody else says that.
        methods: What they may do.
    """
    headers = {'x-content-type-options': 'nosniff'}
    if origin is None:
        return headers
    return headers | {
        'cross-origin-resource-policy': 'cross-origin',
        'access-control-allow-origin': origin,
        'access-control-allow-methods': methods,
        'access-control-allow-headers': ASKED,
        'access-control-expose-headers': TOLD,
    }
