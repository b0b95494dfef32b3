"""Pages of other sites, which browsers let send requests with the user's cookies: `Origins`."""

from __future__ import annotations

import re
from collections.abc import Collection

from starlette.requests import HTTPConnection

from .refused import Refused

__all__ = ['Origins']

ORIGIN = re.compile(r'null|[a-z][a-z0-9+.-]*://[^/\s]+')
DEFAULT_PORTS = {'http': ':80', 'https': ':443'}


class Origins:
    """Refuses what a page of another site sends without having to ask first.

    For most requests a browser asks the server beforehand (a preflight of CORS), but not for a WebSocket, nor for a
    `POST` without a body. What it does send along, and no page can change, is the `Origin`. Other clients send none,
    and are none of its business: they have the cookies of nobody else.

    Args:
        allowed: Origins that may, beside the server's own, such as `['https://app.example']`; `'*'` for all.

    Raises:
        ValueError: One of them is no origin.

    Example:
        >>> Origins(['https://app.example/'])
        Traceback (most recent call last):
        ...
        ValueError: origins has 'https://app.example/': an origin is like 'https://app.example', without a path
    """

    def __init__(self, allowed: Collection[str] | None = None) -> None:
        self._all = allowed == '*'
        if isinstance(allowed, str) and not self._all:
            raise ValueError(f"origins={allowed!r}: use a list of origins, or '*'")
        self._allowed = frozenset(() if self._all else (one.lower() for one in allowed or ()))
        for one in self._allowed:
            if not ORIGIN.fullmatch(one):
                raise ValueError(f"origins has {one!r}: an origin is like 'https://app.example', without a path")

    def refuse(self, connection: HTTPConnection) -> None:
        """Raise `Refused` (403) if the request comes from a page of another site."""
        origin = connection.headers.get('origin', '').lower()
        if not origin or self._all or origin in self._allowed:
            return
        # A browser says itself that page and request are of one origin, to servers that it reaches safely: that holds
        # also where a proxy has put another Host.
        if connection.headers.get('sec-fetch-site') == 'same-origin':
            return
        # Host and port alone: behind a proxy that has the certificate, a server sees another scheme.
        scheme, _, place = origin.partition('://')
        port = DEFAULT_PORTS.get(scheme, '')
        host = connection.headers.get('host', '').lower()
        if not place or place.removesuffix(port) != host.removesuffix(port):
            raise Refused(403, 'foreign_origin', 'Pages of this origin may not: the server can name it in `origins`.')
