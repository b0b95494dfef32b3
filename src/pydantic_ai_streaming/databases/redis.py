"""Redis: the driver, which need not be installed, a client of it, and what its errors mean."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from redis import RedisError
    from redis.asyncio import Redis

__all__ = ['connected', 'described', 'driver', 'refusal', 'translated']

_DENIED = "The user executing the script can't"
"""How Redis 7 says inside a script that a permission is missing."""

_LATER = re.compile(r'\b(BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|NOREPLICAS|TRYAGAIN)\b')
"""Codes of a server that is there, and cannot do anything just now."""


def driver(module: str = '', *, user: str) -> Any:
    """The driver, or one of its modules.

    Args:
        module: A module below `redis`.
        user: Whoever needs it, for the message.

    Raises:
        ImportError: It is not installed; the message names the extra.
    """
    try:
        return import_module(f'redis.{module}' if module else 'redis')
    except ImportError as error:
        raise ImportError(
            f"{user} needs redis-py: pip install 'pydantic-ai-streaming[redis]'. " + str(error)
        ) from error


def connected(url: str, *, timeout: float, user: str, **settings: Any) -> Redis:
    """A client, which tries once more if its connection is lost.

    Args:
        url: Of the server.
        timeout: Seconds to wait for an answer.
        user: Whoever needs it, for the message if the driver is missing.
        **settings: More for the client's connections.
    """
    once_more = driver('asyncio.retry', user=user).Retry(driver('backoff', user=user).NoBackoff(), 1)
    timeouts = {'socket_timeout': timeout, 'socket_connect_timeout': timeout}
    return driver('asyncio', user=user).from_url(url, retry=once_more, **timeouts, **settings)


def described(server: str | Redis) -> str:
    """A server, without what is secret."""
    if not isinstance(server, str):
        return 'of a client'
    url = urlsplit(server)
    return f'{url.scheme}://{url.netloc.rpartition("@")[2]}{url.path}'


def refusal(message: str, *, user: str) -> RedisError:
    """The driver's error for what a command has answered inside a script.

    Args:
        message: The answer, such as `OOM command not allowed ...`, which before Redis 7 tells of the script first.
        user: As for `driver`.
    """
    errors = driver('exceptions', user=user)
    kinds = {'OOM': errors.OutOfMemoryError, 'READONLY': errors.ReadOnlyError, 'NOPERM': errors.NoPermissionError}
    found = re.search(r'\b(OOM|READONLY|NOPERM)\b', message)
    return (errors.ResponseError if found is None else kinds[found[1]])(message)


def translated(error: OSError | RedisError, *, place: str, user: str) -> StoreError:
    """What an error of the driver is to those who use this package.

    Args:
        error: The error.
        place: What the message calls the server.
        user: As for `driver`.
    """
    errors, said = driver('exceptions', user=user), str(error).strip().rstrip('.')
    if isinstance(error, errors.OutOfMemoryError):
        return StoreError(
            f'{place} is full: {said}. Nothing of what was to be written was kept. Give the server more memory '
            '(maxmemory).',
            reason='full',
        )
    if isinstance(error, errors.ReadOnlyError):
        return StoreError(f'{place} is read-only: {said}. Connect to the primary server.', reason='read_only')
    denied = errors.AuthenticationError | errors.AuthorizationError | errors.NoPermissionError
    if isinstance(error, denied) or _DENIED in said:
        what = 'user, password and permissions (for scripts, keys and channels)'
        return StoreError(f'{place} refuses: {said}. Check {what}.', reason='refused')
    if isinstance(error, errors.ClusterDownError | errors.TryAgainError) or _LATER.search(said):
        return StoreUnavailable(f'{place} can do nothing just now: {said}. Try again.')
    if isinstance(error, OSError | errors.ConnectionError | errors.TimeoutError):
        return StoreUnavailable(f'{place} cannot be reached, or the connection was lost: {said}.')
    return StoreError(f'{place} has failed: {said}.')
