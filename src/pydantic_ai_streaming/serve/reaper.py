"""Streams whose process has died, each ended by one that is alive: `Reaper`."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Collection, Sequence
from typing import Final

from ..errors import StoreError, StoreUnavailable, StreamLogError
from ..logs.heads import Write
from ..logs.log import StreamLog
from .wire import FORMATS, LOST, WireFormat

__all__ = ['Reaper']

logger = logging.getLogger(__name__)

ENDED_AT_ONCE: Final = 100
"""Streams without a producer that are ended in one commit, at most."""


class Reaper:
    """Looks for runs whose lease has lapsed, as long as it runs, and writes the last entries of their streams.

    Args:
        log: Where it looks.
        formats: How to tell clients of each kind; for those of any other kind a stream ends without a word.
    """

    def __init__(self, log: StreamLog, formats: Collection[WireFormat]) -> None:
        self._log = log
        self._formats = formats

    async def run(self) -> None:
        """Write the last entries of streams whose process has died."""
        clock, lease = asyncio.get_running_loop().time, self._log.lease
        twice = lease * 2 / 3  # in which who lives renews a lease twice
        looked, ending_from, told = clock(), 0.0, ''
        while True:
            try:
                lapsed = await self._log.lapsed()
                # Where this process could not see the log for so long, others could not renew their leases: as when
                # the log was down, or the machine asleep. They get as long to do it now.
                now = clock()
                if now - looked > twice:
                    ending_from = now + twice
                if now >= ending_from:
                    await self._end_all(lapsed)
                looked = clock()
            except StoreUnavailable:
                pass  # it is there again some time
            except StoreError as error:
                if str(error) != told:
                    told = str(error)
                    logger.error('A stream without a producer cannot be ended, and that is tried again: %s', error)
            except Exception:
                logger.exception('Looking after streams without a producer has failed, and goes on')
            await asyncio.sleep(min(1.0, lease / 4))

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
                return  # it is no run's
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
