"""What pydantic-ai sends an output in where the output type is no object of its own: `Envelope`."""

from __future__ import annotations

from dataclasses import make_dataclass
from typing import Annotated, Any, ClassVar, Literal, Union, cast

from pydantic import Field, Json

from .shapes import MISSING

__all__ = ['Envelope', 'response_of', 'union_of']


class Envelope:
    """An object that is there only to hold the output.

    Attributes:
        holds: The field that holds it.
    """

    holds: ClassVar[str]
    __stand_in__: ClassVar[Any] = MISSING
    """What stands for a field that has not come: nothing, where `None` could be the output."""


def response_of(output_type: Any) -> type[Envelope]:
    """`{"response": ...}`, around every type that is no object. Some models send the value as a string of JSON."""
    return _envelope('response', [('response', output_type | Json[output_type])])


def union_of(types: dict[str, Any]) -> type[Envelope]:
    """`{"result": {"kind": ..., "data": ...}}`, around one of several types. The kinds are their names."""
    members = [
        _envelope('data', [('kind', Literal[kind]), ('data', output_type)]) for kind, output_type in types.items()
    ]
    member: Any = Annotated[Union[tuple(members)], Field(discriminator='kind')] if len(members) > 1 else members[0]  # noqa: UP007
    return _envelope('result', [('result', member)])


def _envelope(holds: str, fields: list[tuple[str, Any]]) -> type[Envelope]:
    return cast(
        'type[Envelope]', make_dataclass(f'{holds}_envelope', fields, bases=(Envelope,), namespace={'holds': holds})
    )
