"""What to do about the version of a store: bring an older one up to date, refuse a newer one."""

from __future__ import annotations

from ..errors import StoreError

__all__ = ['refuse_newer']


def refuse_newer(store: str, *, found: int, known: int) -> None:
    """Raise if a newer version of this package has written the store.

    Raises:
        StoreError: `found` is more than `known`.
    """
    if found > known:
        raise StoreError(
            f'{store} has schema version {found}, but this version of pydantic-ai-streaming knows only {known}: '
            'a newer version has written it. Upgrade pydantic-ai-streaming here too (pip install --upgrade '
            'pydantic-ai-streaming), or use another store. Nothing was changed.',
            reason='newer',
        )
