"""Streams whose process has died, each ended by one that is alive: `Reaper`."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Collection, Sequence
from typing import Final

from ..core.telling import told_to
from ..errors import StoreError, StoreUnavailable, StreamLogError, StreamMissing
from ..logs.heads import Head, Write
from ..logs.log import StreamLog
from .wire import FORMATS, LOST, WireFormat

__all__ = ['Reaper']

logger = told_to(__name__)

ENDED_AT_ONCE: Final = 100
"""Streams without a producer that are ended in one commit, at most."""

KEPT: Final = 60.0
"""Seconds, beside a lease, for which the stream is kept by which a reaper finds out whether a log can be written."""


class Reaper:
    """Looks for runs whose lease has lapsed, as long as it runs, and writes the last entries of their streams.

    A lease lapses too while a log can be read and not be written: somebody else has locked it, or it is full. So this
    one writes something itself, more often than those who live renew their leases, and ends nothing unless all of that
    went through in time. After a pause, they get a whole lease for it.

    Args:
        log: Where it looks.
        formats: How to tell clients of each kind; for those of any other kind a stream ends without a word.
    """

    def __init__(self, log: StreamLog, formats: Collection[WireFormat]) -> None:
        self._log = log
        self._formats = formats
        self._name = f'reaper-{secrets.token_urlsafe(16)}'
        self._pause = min(1.0, log.lease / 4)
        self._wrote: float | None = None
        self._ending_from = 0.0
        self._others: set[str] = set()  # which have lapsed, and are no runs'

    async def run(self) -> None:
        """Write the last entries of streams whose process has died."""
        told = ''
        while True:
            try:
                await self._look()
            except StoreUnavailable:
                pass  # it is there again some time
            except StoreError as error:
                if str(error) != told:
                    told = str(error)
                    logger.error('Streams without a producer cannot be ended, and that is tried again: %s', error)
            except Exception:
                logger.exception('Looking after streams without a producer has failed, and goes on')
            await asyncio.sleep(self._pause)

    async def _look(self) -> None:
        if self._since_written() + self._pause > self._log.lease / 4:
            await self._write()
        lapsed = await self._log.lapsed()
        # When a renewal is due, two thirds of a lease are left: after a pause of half a lease there is time for it.
        if self._since_written() <= self._log.lease / 2 and self._clock() >= self._ending_from:
            self._others.intersection_update(lapsed)
            await self._end_all([one for one in lapsed if one not in self._others])

    async def _write(self) -> None:
        """Find out whether the log can be written."""
        lease = self._log.lease
        try:
            await self._log.write(Write(stream_id=self._name))  # so it is kept for longer
        except StreamMissing:
            head = Head(stream_id=self._name, incarnation=self._name, ttl=KEPT + lease)
            await self._log.write(Write(stream_id=self._name, create=head))
        pause, now = self._since_written(), self._clock()
        if self._wrote is None:
            # What was before this began is not known. Who lives renews in this time, or tries to.
            self._ending_from = now + lease / 3
        elif pause > lease / 2:
            self._ending_from = now + lease
            self._others.clear()  # somebody may have made others of these names
        self._wrote = now

    def _since_written(self) -> float:
        return math.inf if self._wrote is None else self._clock() - self._wrote

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()

    async def _end_all(self, stream_ids: Sequence[str]) -> None:
        """End many at once: a process may have had hundreds."""
        for first in range(0, len(stream_ids), ENDED_AT_ONCE):
            some = stream_ids[first : first + ENDED_AT_ONCE]
            outcomes = await asyncio.gather(*map(self._end_lost, some), return_exceptions=True)
            for one in outcomes:
                if one is not None:
                    raise one

    async def _end_lost(self, stream_id: str) -> None:
        try:
            head = await self._log.head(stream_id)
            names = head.details.get(FORMATS)
            if not isinstance(names, list):
                self._others.add(stream_id)
                return
            last = [
                one.mark + text.encode() for one in self._formats if one.name in names for text in one.cut_off(LOST)
            ]
            # In one step: who dies over it has not become another producer that is gone.
            await self._log.write(
                Write(
                    stream_id=stream_id,
                    entries=last,
                    incarnation=head.incarnation,
                    token=secrets.token_urlsafe(9),
                    take_over=True,
                    close=True,
                )
            )
        except StreamLogError as error:
            logger.debug('Stream %s was lost, and somebody else has ended it: %s', stream_id, error)
        else:
            logger.warning('Stream %s was ended for its producer, which is gone', stream_id)
