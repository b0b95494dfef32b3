"""Empty stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.stores.places import KINDS, Place, Store


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place for conversations, of each kind."""
    if request.param == 'sqlite':
        return Place('sqlite', str(tmp_path / 'chats.db'))
    server = request.getfixturevalue(f'{request.param}_server')
    return Place(request.param, server.url, f'test-{uuid4().hex}')


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    async with place.open() as store:
        yield store


@pytest.fixture
async def another_store(place: Place) -> AsyncIterator[Store]:
    async with place.open() as store:
        yield store
