"""Whose a request is: `Authorize`, which a program has, and `owner_of`, which asks it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

__all__ = ['Authorize', 'owner_of']

Authorize: TypeAlias = 'Callable[[HTTPConnection], str | Awaitable[str | None] | None]'
"""Says who asks: the owner of what they start, who alone may follow, stop and list it. Raises Starlette's
`HTTPException` for whom it does not know."""


async def owner_of(authorize: Authorize, connection: HTTPConnection) -> str | None:
    """The owner that `authorize` names; `None` for somebody who is not known.

    Raises:
        TypeError: It has returned something else.
        Exception: What it raises.
    """
    said: Any = authorize(connection)  # of whatever type: it is the program's
    owner: Any = await said if inspect.isawaitable(said) else said
    if owner is not None and not isinstance(owner, str):
        raise TypeError(f'authorize has returned a {type(owner).__name__}: use the name of the owner, or None')
    return owner
