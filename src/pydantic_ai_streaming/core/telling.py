"""Telling a program's log of what must go on, whatever that does: `told_to`."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

__all__ = ['told_to']


def told_to(name: str) -> logging.LoggerAdapter[logging.Logger]:
    """The logger of this name, whose methods raise nothing.

    A handler or a filter of the program may raise. Somebody may wait for who tells it, so what it raises is printed, as
    `logging` does with most of that, and ends nothing.

    Args:
        name: As for `logging.getLogger`.
    """
    return _Told(logging.getLogger(name))


class _Told(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, kwargs

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        try:
            super().log(level, msg, *args, **{**kwargs, 'stacklevel': kwargs.get('stacklevel', 1) + 1})
        except Exception:
            if logging.raiseExceptions and sys.stderr is not None:  # there is none without a console
                traceback.print_exc()
