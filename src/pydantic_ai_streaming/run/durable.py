"""Tells whether a run goes on inside a durable workflow or flow: `is_durable`."""

from __future__ import annotations

from typing import Any

from pydantic_ai.capabilities import AbstractCapability

__all__ = ['is_durable']


def is_durable(root: AbstractCapability[Any] | None) -> bool:
    """Whether one of the capabilities of an agent or a run makes it durable here and now.

    Those of pydantic-ai (DBOS, Prefect, Temporal) do nothing outside of a workflow.
    """
    found = False

    def look(capability: AbstractCapability[Any]) -> None:
        nonlocal found
        found = found or bool(getattr(capability, 'in_durable_context', False))

    if root is not None:
        root.apply(look)
    return found
