"""The arguments of a function as a type, as a model sends them: `arguments_of`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from inspect import Parameter, isroutine, signature
from typing import Any, NotRequired, cast, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter
from pydantic_ai.tools import RunContext
from typing_extensions import TypedDict

from .kinds import OBJECT, kinds_of
from .shells import Schema

__all__ = ['arguments_of']


def arguments_of(function: Callable[..., Any]) -> Any:
    """The type of what a model sends to call a function: a tool, or an output function.

    A function that takes one model, dataclass or TypedDict takes its fields; every other one takes an object with its
    arguments, which is a dict here. A `RunContext` at the front is none of them, an argument with a default may be
    missing, `*args` is a list, and other names are for `**kwargs` only.

    Args:
        function: Anything that can be a tool: a function, a method, a `functools.partial`; asynchronous or not.

    Raises:
        PydanticSchemaGenerationError: pydantic cannot validate one of the arguments.

    Example:
        ```python
        from typing import Annotated

        from pydantic import Field
        from pydantic_ai import RunContext
        from pydantic_ai_streaming import arguments_of, partial_outputs


        def book(ctx: RunContext[str], hotel: str, nights: Annotated[int, Field(ge=1)] = 1) -> str:
            return f'{nights} nights'


        for partial in partial_outputs(['{"hotel": "Far', 'land", "nights": 0', '}'], arguments_of(book)):
            print(partial.value, partial.errors)
            #> {'hotel': 'Far'} ()
            #> {'hotel': 'Farland'} ()
            #> {'hotel': 'Farland'} (InvalidPart(nights: Input should be greater than or equal to 1),)
        ```
    """
    hints = _hints_of(function)
    every = list(signature(function).parameters.values())
    parameters = [
        parameter
        for number, parameter in enumerate(every)
        if parameter.kind is not Parameter.VAR_KEYWORD and not (number == 0 and _is_context(hints.get(parameter.name)))
    ]
    if len(parameters) == 1 and parameters[0].default is Parameter.empty and len(every) - len(parameters) < 2:
        parameter = parameters[0]
        hint = hints.get(parameter.name, Any)
        if parameter.kind is not Parameter.VAR_POSITIONAL and every[-1] is parameter and _is_object(hint):
            return hint
    others = [hints.get(parameter.name, Any) for parameter in every if parameter.kind is Parameter.VAR_KEYWORD]
    return _object_of(_name_of(function), dict(_fields(parameters, hints)), others[0] if others else None)


def _fields(parameters: list[Parameter], hints: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for parameter in parameters:
        hint = hints.get(parameter.name, Any)
        if parameter.kind is Parameter.VAR_POSITIONAL:
            yield parameter.name, NotRequired[list[hint]]
        else:
            yield parameter.name, hint if parameter.default is Parameter.empty else NotRequired[hint]


def _object_of(name: str, fields: dict[str, Any], others: Any) -> Any:
    extra: dict[str, Any] = {} if others is None else {'extra_items': others}
    made: Any = cast('Any', TypedDict)(f'{name}_arguments', fields, **extra)
    # As for pydantic-ai, a name that the function does not have is an error.
    made.__pydantic_config__ = ConfigDict(extra='forbid' if others is None else 'allow')
    return made


def _hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    while isinstance(function, partial):
        function = cast('partial[Any]', function).func
    # The hints of an object that can be called are those of its method.
    return get_type_hints(function if isroutine(function) else type(function).__call__, include_extras=True)


def _name_of(function: Callable[..., Any]) -> str:
    while isinstance(function, partial):
        function = cast('partial[Any]', function).func
    return getattr(function, '__name__', type(function).__name__)


def _is_context(hint: Any) -> bool:
    return (get_origin(hint) or hint) is RunContext


def _is_object(hint: Any) -> bool:
    schema = cast('Schema', TypeAdapter(hint).core_schema)
    definitions: dict[str, Schema] = {}
    if schema['type'] == 'definitions':
        definitions = {definition['ref']: definition for definition in schema['definitions']}
    inner = schema
    while inner['type'] in ('definitions', 'function-after'):
        inner = inner['schema']
    return inner['type'] != 'dict' and kinds_of(schema, definitions.__getitem__) == frozenset({OBJECT})
