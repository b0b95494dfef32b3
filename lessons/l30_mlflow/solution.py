"""`StreamedResponses` makes the events, of whatever the run does."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from pydantic_ai import Agent

from pydantic_ai_streaming.integrations.mlflow import StreamedResponses


def stream(agent: Agent, request: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
    return StreamedResponses(agent).stream(request)
