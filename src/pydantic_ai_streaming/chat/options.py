"""What a turn of a chat can be told beside its prompt: the parameters of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Literal, TypedDict, TypeVar

from pydantic_ai import CancellationToken
from pydantic_ai.agent import AgentRetries
from pydantic_ai.agent.abstract import AgentInstructions, AgentMetadata, AgentModelSettings
from pydantic_ai.agent.spec import AgentSpec
from pydantic_ai.capabilities import AgentCapability
from pydantic_ai.models import KnownModelName, Model
from pydantic_ai.tools import DeferredToolResults
from pydantic_ai.toolsets import AbstractToolset
from pydantic_ai.usage import UsageLimits
from pydantic_ai.workspaces import WorkspaceBackend, WorkspaceRef

__all__ = ['OF_THE_CHAT', 'RunOptions']

DepsT = TypeVar('DepsT')

OF_THE_CHAT = ('conversation', 'message_history', 'conversation_id', 'usage')
"""Parameters of a run that are the chat's own business."""


class RunOptions(TypedDict, Generic[DepsT], total=False):
    """The parameters of `agent.run_stream_events` that a turn hands on as they are; that method documents them.

    What a conversation carries is missing: the history, the id and the usage so far are those of the chat.
    `output_type` is a parameter of `Chat.send` itself, since the type of the stream depends on it.
    """

    deferred_tool_results: DeferredToolResults | None
    run_id: str | None
    model: Model | KnownModelName | str | None
    instructions: AgentInstructions[DepsT]
    deps: DepsT
    model_settings: AgentModelSettings[DepsT] | None
    usage_limits: UsageLimits | None
    cancellation_token: CancellationToken | None
    timeout: float | None
    metadata: AgentMetadata[DepsT] | None
    retries: int | AgentRetries | None
    infer_name: bool
    toolsets: Sequence[AbstractToolset[DepsT]] | None
    capabilities: Sequence[AgentCapability[DepsT]] | None
    workspace: WorkspaceBackend | WorkspaceRef | Literal['new'] | None
    spec: dict[str, Any] | AgentSpec | None
