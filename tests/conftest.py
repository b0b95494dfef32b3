"""Every test ends the tasks that it starts."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def every_test_ends_its_tasks(no_task_left: None) -> None: ...
