"""Which types a run may answer with, and how each is sent: `Outputs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic_ai._output import (  # the names of output tools are made there
    BaseObjectOutputProcessor,
    ObjectOutputProcessor,
    OutputSchema,
    UnionOutputProcessor,
)
from pydantic_ai.output import OutputMode

from .arguments import arguments_of
from .envelopes import response_of, union_of
from .invalid import Path
from .places import fields_of, may_hold_list
from .shapes import Shape
from .shaping import shape_of

__all__ = ['TEXT', 'Outputs']

TEXT: Final = ''
"""Stands for the name of a tool where the output is sent as text."""


KEPT = 64
"""Output types whose shapes are kept; an agent has the same one in every run."""

_kept: dict[int, tuple[Any, Outputs]] = {}


class Outputs:
    """The shapes of what a run may answer with.

    Attributes:
        tools: By the name of the output tool.
        text: Of JSON that is sent as text (`NativeOutput`, `PromptedOutput`); `None` if text is no JSON.
        mode: How the output is sent, in pydantic-ai's terms; `'auto'` where the model decides between tool and text.
        schemas: The JSON schemas that the model is told, by the name of the output tool; that of text by `TEXT`.
        allows_text: Whether plain text is an output too.
    """

    __slots__ = ('allows_text', 'mode', 'schemas', 'text', 'tools')

    def __init__(
        self,
        tools: Mapping[str, Shape],
        text: Shape | None,
        mode: OutputMode,
        schemas: Mapping[str, object],
        *,
        allows_text: bool,
    ) -> None:
        self.allows_text = allows_text
        self.tools = tools
        self.schemas = schemas
        self.text = text
        self.mode: OutputMode = mode

    @classmethod
    def of(cls, output_type: Any) -> Outputs:
        """Read what `Agent(output_type=...)` was given.

        Raises:
            UserError: pydantic-ai cannot use it.
        """
        # By identity: equal types may be different ones (`A | B`, `B | A`), and some have no hash. What is kept holds
        # the type, so that no other can get its identity.
        kept = _kept.get(id(output_type))
        if kept is None:
            while len(_kept) >= KEPT:
                _kept.pop(next(iter(_kept)), None)
            kept = _kept[id(output_type)] = output_type, cls._made(output_type)
        return kept[1]

    @classmethod
    def _made(cls, output_type: Any) -> Outputs:
        schema: OutputSchema[Any] = OutputSchema.build(output_type)
        processors: Mapping[str, ObjectOutputProcessor[Any]] = (
            {} if schema.toolset is None else schema.toolset.processors
        )
        text = schema.text_processor
        schemas: dict[str, object] = {name: processor.object_def.json_schema for name, processor in processors.items()}
        if isinstance(text, BaseObjectOutputProcessor):
            schemas[TEXT] = text.object_def.json_schema
        return cls(
            {name: shape_of(_sent_as(processor)) for name, processor in processors.items()},
            shape_of(_sent_as(text)) if isinstance(text, BaseObjectOutputProcessor) else None,
            schema.mode,
            schemas,
            allows_text=schema.allows_text and not isinstance(text, BaseObjectOutputProcessor),
        )

    @property
    def structured(self) -> bool:
        """Whether there is any structure to fill in."""
        return bool(self.tools) or self.text is not None

    def may_hold_list(self, path: Path) -> bool:
        """Whether any of them may have a list at a path."""
        shapes = [*self.tools.values(), *([] if self.text is None else [self.text])]
        return any(may_hold_list(shape, path) for shape in shapes)

    def lists(self) -> list[str]:
        """The names of fields that may hold a list, of all of them."""
        shapes = [*self.tools.values(), *([] if self.text is None else [self.text])]
        return sorted({name for shape in shapes for name in fields_of(shape, ()) if may_hold_list(shape, (name,))})


def _sent_as(processor: BaseObjectOutputProcessor[Any]) -> Any:
    """The type of the document that the model sends."""
    if isinstance(processor, UnionOutputProcessor):
        members: Mapping[str, ObjectOutputProcessor[Any]] = processor._processors  # pyright: ignore[reportPrivateUsage]
        return union_of({kind: _sent_as(member) for kind, member in members.items()})
    assert isinstance(processor, ObjectOutputProcessor)
    if processor.outer_typed_dict_key is not None:
        return response_of(processor.output_type)
    function = processor._function_schema  # pyright: ignore[reportPrivateUsage]
    return processor.output_type if function is None else arguments_of(function.function)
