"""The types of the arguments of a run's tools: `ToolTypes`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_ai.toolsets import ToolsetTool

from ..partials.arguments import arguments_of
from ..partials.shapes import Shape
from ..partials.shaping import shape_of

__all__ = ['ToolTypes']


class ToolTypes:
    """Finds the shape of a tool's arguments, where the tool is a function.

    Args:
        tools: The tools of the run, by name, as they are when asked for.
    """

    def __init__(self, tools: Callable[[], Mapping[str, ToolsetTool[Any]]]) -> None:
        self._tools = tools
        self._shapes: dict[str, Shape | None] = {}

    def get(self, name: str) -> Shape | None:
        """The shape for the tool of this name, `None` where it cannot be known (tools of MCP servers, for example)."""
        if name not in self._shapes and name in self._tools():
            self._shapes[name] = _shape(self._tools()[name], name)
        return self._shapes.get(name)


def _shape(tool: ToolsetTool[Any], name: str) -> Shape | None:
    tools: Mapping[str, Any] = getattr(tool.toolset, 'tools', None) or {}
    function = getattr(tools.get(name), 'function', None)
    if function is None:
        return None
    try:
        return shape_of(arguments_of(function))
    except Exception:  # pydantic-ai knows more about functions than annotations say: then it stays text
        return None
