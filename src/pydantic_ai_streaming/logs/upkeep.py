"""Work that goes on as long as a log is open, whatever fails: `for_ever`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from ..core.telling import told_to
from ..errors import StoreError, StoreUnavailable

__all__ = ['for_ever']

logger = told_to(__name__)

AGAIN_AFTER: Final = 0.2
"""Seconds until work is begun again that could not reach the backend."""

FAILED_AGAIN_AFTER: Final = 1.0
"""Seconds until work is begun again that has failed for another reason."""


async def for_ever(work: Callable[[], Coroutine[Any, Any, None]], *, at_most: float) -> None:
    """Do some work, and begin anew after a failure: a backend that cannot be reached is there again some time.

    What the backend refuses is told to the program's log once, and again when it is something else.

    Args:
        work: What is done.
        at_most: Seconds that it waits before it begins anew, at most.
    """
    told = ''
    while True:
        pause = AGAIN_AFTER
        try:
            await work()
        except StoreUnavailable:
            pass
        except StoreError as error:
            if str(error) != told:
                told = str(error)
                logger.error('A stream log cannot do its work, and tries again: %s', error)
            pause = FAILED_AGAIN_AFTER
        except Exception:
            logger.exception('A stream log has failed, and goes on')
            pause = FAILED_AGAIN_AFTER
        await asyncio.sleep(min(pause, at_most))
