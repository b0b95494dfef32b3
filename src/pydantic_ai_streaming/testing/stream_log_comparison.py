"""Two backends of stream logs under the same writes: whatever becomes of one in one, has to in the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from ..logs.backend import LogBackend
from ..logs.heads import Head, Refusal, Slice, Wanted, Write

__all__ = ['compare_log_backends']

STREAMS = ('a', 'b', 'c')
OWNERS = (None, 'ada', 'bob')
TOKENS = (None, None, 't1', 't2', 't3')
PAST, FUTURE = -100.0, 10_000.0
"""Seconds. What has lapsed or expired has done so long ago, so that the clocks of the two need not agree."""


async def compare_log_backends(
    backends: Sequence[LogBackend], reference: LogBackend, *, seed: int, writes: int
) -> dict[str, int]:
    """Do the same random writes in two empty places, several in a commit, and compare what becomes of them.

    Writes of all kinds, with conditions that hold and others that do not; and after each commit, what is to be read,
    who has lapsed, and what an owner has.

    Args:
        backends: The backends under test, opened, all over the same place: each commit is by one of them, as if by one
            of several processes.
        reference: The one that is right, such as `MemoryBackend`.
        seed: The same seed does the same writes.
        writes: How many.

    Returns:
        How often a write was done, and how often refused for each reason.

    Raises:
        AssertionError: They differ; the message has the seed and the number of the write.
    """
    comparison = _Comparison(backends, reference, Random(seed))
    done: Counter[str] = Counter()
    number = 0
    while number < writes:
        try:
            outcomes = await comparison.commit(number, min(writes - number, comparison.random.choice((1, 1, 2, 5))))
            await comparison.look()
        except AssertionError as error:
            raise AssertionError(f'seed {seed}, write {number}: {error!s}') from error
        number += len(outcomes)
        done.update('done' if not isinstance(one, Refusal) else one.reason for one in outcomes)
    return dict(done)


class _Comparison:
    def __init__(self, backends: Sequence[LogBackend], reference: LogBackend, random: Random) -> None:
        self.backends = backends
        self.reference = reference
        self.random = random
        self.heads: dict[str, Head] = {}

    async def commit(self, number: int, count: int) -> list[Any]:
        writes = [self._write(number + index) for index in range(count)]
        backend = self.random.choice(self.backends)
        ours, theirs = await backend.commit(writes), await self.reference.commit(writes)
        assert len(ours) == len(writes), f'{len(ours)} outcomes of {len(writes)} writes'
        for write, our, their in zip(writes, ours, theirs, strict=True):
            _same(_timeless(our), _timeless(their), f'{write}')
            head = their.head if isinstance(their, Refusal) else their
            if isinstance(head, Head):
                self.heads[write.stream_id] = head
        return list(theirs)

    def _write(self, number: int) -> Write:
        random = self.random
        stream_id = random.choice(STREAMS)
        kind = random.choices(('create', 'append', 'keep', 'end', 'take'), (2, 8, 2, 1, 2))[0]
        write = Write(stream_id=stream_id, token=random.choice(TOKENS), **self._conditions(stream_id))
        entries = [b'%d.%d' % (number, index) for index in range(random.choice((1, 1, 2, 30)))]
        if kind == 'create':
            ttl = random.choice((None, FUTURE, FUTURE, FUTURE, PAST))
            head = Head(stream_id=stream_id, incarnation=f'i{number}', ttl=ttl, owner=random.choice(OWNERS))
            lease = random.choice((None, PAST, FUTURE))
            return replace(write, create=head, lease=lease, entries=entries if random.random() < 0.3 else ())
        if kind == 'append':
            return replace(write, entries=entries if random.random() < 0.9 else (), close=random.random() < 0.05)
        if kind == 'keep':
            details = random.choice((None, {'number': number}, {}))
            return replace(write, lease=random.choice((None, PAST, FUTURE)), details=details)
        if kind == 'end':
            end = random.choice(('close', 'delete', 'stop'))
            return replace(write, close=end == 'close', delete=end == 'delete', stop=end == 'stop')
        return replace(write, take_over=True, lease=random.choice((PAST, FUTURE)))

    def _conditions(self, stream_id: str) -> dict[str, Any]:
        """Some of those that are possible, most of which hold."""
        head, random = self.heads.get(stream_id), self.random
        if head is None or random.random() < 0.5:
            return {}
        conditions: dict[str, Any] = {}
        if random.random() < 0.5:
            conditions['epoch'] = max(1, head.epoch - (random.random() < 0.2))
        if random.random() < 0.3:
            conditions['version'] = head.version - (random.random() < 0.3)
        if random.random() < 0.3:
            conditions['incarnation'] = head.incarnation if random.random() < 0.8 else 'another'
        return conditions

    async def look(self) -> None:
        random = self.random
        backend = random.choice(self.backends)
        wanted = [
            Wanted(
                random.choice((*STREAMS, 'never')),
                random.randrange(60),
                random.choice((0, 1, 7, 1000)),
                random.choice((1, 20, 1000)),
            )
            for _ in range(random.choice((1, 3)))
        ]
        ours, theirs = await backend.fetch(wanted), await self.reference.fetch(wanted)
        for one, our, their in zip(wanted, ours, theirs, strict=True):
            _same(_timeless(our), _timeless(their), f'{one}')
        _same(sorted(await backend.lapsed()), sorted(await self.reference.lapsed()), 'lapsed')
        owner = random.choice(('ada', 'bob', 'nobody'))
        ours, theirs = await backend.owned(owner), await self.reference.owned(owner)
        _same(_by_name(ours), _by_name(theirs), f'owned by {owner}')


def _timeless(found: Any) -> object:
    """Without what is told by different clocks."""
    if isinstance(found, Head):
        leased_until = None if found.leased_until is None else 0.0
        return replace(found, leased_until=leased_until, expires_at=None if found.expires_at is None else 0.0)
    if isinstance(found, Refusal):
        return found.reason, _timeless(found.head)
    if isinstance(found, Slice):
        return _timeless(found.head), found.start, list(found.entries)
    return found


def _by_name(heads: Sequence[Head]) -> dict[str, object]:
    return {head.stream_id: _timeless(head) for head in heads}


def _same(ours: object, theirs: object, what: str) -> None:
    assert ours == theirs, f'{what}\n{ours!r}\nshould be\n{theirs!r}'
