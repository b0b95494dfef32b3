"""Objects of several types, one of whose fields tells of which they are: `TaggedContainer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from enum import Enum
from typing import Any

from pydantic_core import SchemaValidator, ValidationError

from .raw import Token
from .shapes import Context, Shape, WholeContainer, any_number

__all__ = ['TaggedContainer']


class TaggedContainer(WholeContainer):
    """An object that is of one of several types, which one of its fields tells.

    Args:
        keys: The keys that may hold the tag.
        choices: The shape for each value of the tag.
        validator: Finds what is wrong with an object whose tag is wrong or missing.
        refuse: Whether a tag that is none of the choices makes the object invalid.
    """

    __slots__ = ('choices', 'keys', 'refuse')

    def __init__(
        self,
        keys: frozenset[str],
        choices: Mapping[Any, Shape],
        validator: Callable[[], SchemaValidator],
        *,
        refuse: bool,
    ) -> None:
        super().__init__(validator)
        self.keys, self.refuse = keys, refuse
        # JSON has no members of enums. As a discriminator, pydantic takes only those that are strings or numbers.
        if refuse:
            choices = {tag: choices[tag] for tag in choices if not isinstance(tag, Enum) or isinstance(tag, str | int)}
        self.choices: dict[tuple[str, Any], Shape] = {
            _tag(tag.value if isinstance(tag, Enum) else tag): shape for tag, shape in choices.items()
        }

    def choose(self, tag: Any, context: Context) -> Shape | None:
        """The shape that the tag asks for, if it can be told. Raises `ValidationError` for one that is wrong."""
        known = any_number(tag) if isinstance(tag, Token) else tag
        shape = self.choices.get(_tag(known)) if isinstance(known, str | int | float | bool) else None
        if shape is None and self.refuse and not any(known == tag for _, tag in self.choices):
            assert self.validate is not None
            try:
                self.validate(dict.fromkeys(self.keys, tag), context)
            except ValidationError as error:
                if error.errors(include_url=False, include_context=False)[0]['type'] == 'union_tag_invalid':
                    raise
        return shape

    def with_choices(
        self, choices: Mapping[tuple[str, Any], Shape], validator: Callable[[], SchemaValidator]
    ) -> TaggedContainer:
        """The same tags with other shapes."""
        other = copy(self)
        other.choices = dict(choices)
        other.validate = WholeContainer(validator).validate
        return other


def _tag(value: Any) -> tuple[str, Any]:
    return type(value).__name__, value  # `True` is no 1
