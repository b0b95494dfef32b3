"""MLflow for tests, where it is installed: what it writes, it writes into a folder of the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """MLflow, without tracing."""
    monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', 'true')
    monkeypatch.setenv('MLFLOW_TRACKING_URI', (tmp_path / 'runs').as_uri())
    monkeypatch.chdir(tmp_path)
    mlflow: Any = pytest.importorskip('mlflow', reason='MLflow is not installed: the extra `mlflow`')
    pytest.importorskip('mlflow.pyfunc', reason='mlflow.pyfunc needs numpy and pandas: the extra `mlflow`')
    mlflow.tracing.disable()
    yield mlflow
    mlflow.tracing.disable()
