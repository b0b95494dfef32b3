"""Empty places for streams, as for the tests of logs."""

from __future__ import annotations

from tests.logs.conftest import place

__all__ = ['place']
