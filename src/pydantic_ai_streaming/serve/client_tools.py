"""Tools that a client brings along, beside those of the agent: `refuse_taken`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from pydantic_ai.toolsets import (
    AbstractToolset,
    CombinedToolset,
    ExternalToolset,
    FilteredToolset,
    FunctionToolset,
    PrefixedToolset,
    PreparedToolset,
    RenamedToolset,
    WrapperToolset,
)

from ..partials.outputs import Outputs
from .refused import Refused

if TYPE_CHECKING:
    from pydantic_ai.agent import AbstractAgent

__all__ = ['names_in', 'refuse_taken']

OURS: Final = 'pydantic_ai.toolsets.'
"""Where the wrappers are of which it is known what they do to the names of tools."""


def refuse_taken(toolset: AbstractToolset[Any] | None, agent: AbstractAgent[Any, Any]) -> None:
    """Raise `Refused` if a tool of a client has the name of one of the agent: the run would fail for that.

    Tools that are known only when the run asks for them cannot be seen here: those of an MCP server or of a function of
    the run, and those that are prepared or filtered, as they may be left out.

    Args:
        toolset: The tools of the client.
        agent: The agent.
    """
    if toolset is None:
        return
    own = names_in(agent.toolsets) | Outputs.of(agent.output_type).tools.keys()
    for name in sorted(names_in([toolset]) & own):
        message = f'The agent has a tool named {name!r} already: give that of the client another name.'
        raise Refused(400, 'malformed', message)


def names_in(toolsets: Iterable[AbstractToolset[Any]]) -> set[str]:
    """The names of the tools that these have in every run.

    Example:
        >>> def look() -> str:
        ...     return 'sun'
        >>> names_in([FunctionToolset([look]).prefixed('sky')])
        {'sky_look'}
    """
    return {name for toolset in toolsets for name in _names(toolset)}


def _names(toolset: AbstractToolset[Any]) -> set[str]:
    match toolset:
        case CombinedToolset():
            return names_in(toolset.toolsets)
        case ExternalToolset():
            return {one.name for one in toolset.tool_defs}
        case FunctionToolset() if type(toolset).get_tools is FunctionToolset.get_tools:
            return {name for name, tool in toolset.tools.items() if tool.prepare is None}
        case WrapperToolset():
            return _names_around(toolset)
        case _:
            return set()


def _names_around(toolset: WrapperToolset[Any]) -> set[str]:
    kind = type(toolset)
    inner = _names(toolset.wrapped)
    if isinstance(toolset, PrefixedToolset):
        return {f'{toolset.prefix}_{name}' for name in inner}
    if isinstance(toolset, RenamedToolset):
        renamed = {old: new for new, old in toolset.name_map.items()}
        return {renamed.get(name, name) for name in inner}
    if kind.get_tools is WrapperToolset.get_tools:
        return inner
    # The rest of pydantic-ai's own change descriptions of tools, or say that they are loaded later.
    keeps = kind.__module__.startswith(OURS) and kind not in (FilteredToolset, PreparedToolset)
    return inner if keeps else set()
