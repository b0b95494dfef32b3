"""Checks of single values: which strings may grow, which numbers need no validator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from pydantic_core import InitErrorDetails, SchemaValidator, ValidationError, to_json

from .kinds import STRING
from .raw import json_of
from .shapes import ANY, MISSING, Check, Context, Shape, WholeContainer, any_number, as_it_is
from .shells import Schema

__all__ = ['fill_leaf', 'forbidden', 'growth_as_asked', 'key_check', 'member_that_grows', 'takes_text_as_it_is']

_UNCONSTRAINED: Final = frozenset({'type', 'metadata', 'ref', 'serialization', 'strict'})
_OF_STRINGS: Final = ('str_max_length', 'str_min_length', 'str_strip_whitespace', 'str_to_lower', 'str_to_upper')
_LITERALS: Final = {True: 'true', False: 'false', None: 'null'}
_WHITE: Final = '\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000' + ''.join(map(chr, range(0x2000, 0x200B)))
SHORT: Final = 16
"""Digits of a number that Python and pydantic read alike without a second thought."""


_SCALARS = frozenset(
    {'str', 'int', 'float', 'bool', 'decimal', 'bytes', 'date', 'time', 'datetime', 'timedelta', 'uuid', 'url', 'none'}
)
"""Types of which every value is a single one."""


def fill_leaf(shape: Shape, schema: Schema, config: Schema, validator: Callable[[], SchemaValidator]) -> None:
    """Give a shape the checks of single values."""

    def string(value: str, context: Context) -> Any:
        return validator().validate_json(to_json(value), context=context)

    def string_as_it_is(value: str, context: Context) -> Any:
        return validator().validate_python(value, context=context)

    def number(token: str, context: Context) -> Any:
        return validator().validate_json(token, context=context)

    def literal(value: bool | None, context: Context) -> Any:
        return validator().validate_json(_LITERALS[value], context=context)

    shape.string, shape.number, shape.literal = string, number, literal
    shape.scalar = schema['type'] in _SCALARS
    plain = not schema.keys() - _UNCONSTRAINED
    if schema['type'] == 'str':
        shape.string = None if takes_text_as_it_is(schema, config) else string_as_it_is
        shape.grows = _growth(schema, config)
    elif schema['type'] == 'bool' and plain:
        shape.literals = (True, False)
    elif schema['type'] == 'int' and plain:
        shape.quick = _quick_int
    elif schema['type'] == 'float' and plain:
        shape.quick = _quick_float


def trimmed(text: str) -> str:
    """Text without the white space around it, as pydantic strips it: by Unicode's White_Space, unlike `str.strip`."""
    return text.strip(_WHITE)


def takes_text_as_it_is(schema: Schema, config: Schema) -> bool:
    """Whether every text is valid, and the value."""
    limited = any(config.get(name) for name in _OF_STRINGS)
    return schema['type'] == 'any' or (schema['type'] == 'str' and not schema.keys() - _UNCONSTRAINED and not limited)


def growth_as_asked(schema: Schema, config: Schema) -> Callable[[str], str] | None:
    """What to show of text that is still open where the type says that it may grow, whatever becomes of it."""
    while schema['type'] in ('default', 'nullable') or schema['type'].startswith('function-'):
        if 'schema' not in schema:
            return None
        schema = schema['schema']
    if schema['type'] not in ('str', 'any'):
        return None
    return trimmed if schema.get('strip_whitespace', config.get('str_strip_whitespace')) else as_it_is


def _growth(schema: Schema, config: Schema) -> Callable[[str], str] | None:
    def says(name: str) -> Any:
        return schema.get(name, config.get(f'str_{name}'))

    if schema.get('pattern') or says('to_lower') or says('to_upper'):
        return None
    grows = trimmed if says('strip_whitespace') else as_it_is
    longest: int | None = says('max_length')
    # What is longer is invalid, which its end will tell.
    return grows if longest is None else lambda text: grows(text)[:longest]


def _quick_int(token: str) -> Any:
    return int(token) if len(token) < SHORT and token.isdigit() else MISSING


def _quick_float(token: str) -> Any:
    # pydantic reads "-0" as an integer first, so as 0.0.
    return float(token) if len(token) < SHORT and token[:2] != '-0' and 'e' not in token.lower() else MISSING


def forbidden(owner: Schema) -> Shape:
    """The shape of what may not be there.

    Args:
        owner: The schema of the fields that may be there.
    """
    kind = 'unexpected_keyword_argument' if owner['type'] == 'dataclass-args' else 'extra_forbidden'

    def refuse(value: Any, context: Context = None) -> NoReturn:
        details: InitErrorDetails = {'type': kind, 'loc': (), 'input': value}
        raise ValidationError.from_exception_data('extra', [details])

    def refuse_number(token: str, context: Context) -> NoReturn:
        refuse(any_number(token))

    shape = Shape()
    shape.string = shape.literal = refuse
    shape.number = refuse_number
    shape.object = shape.array = whole = WholeContainer(None)
    whole.item, whole.validate = ANY, refuse
    return shape


def key_check(validator: Callable[[], SchemaValidator]) -> Check:
    """Makes keys of a dict.

    Args:
        validator: Of dicts with such keys: a key of JSON is always text, which pydantic takes for more than other text.
    """

    def key(name: Any, context: Context) -> Any:
        return next(iter(validator().validate_json(json_of({name: None}), context=context)))

    return key


def member_that_grows(
    schema: Schema, choices: Sequence[Schema], kinds: Sequence[frozenset[str]], config: Schema
) -> Schema | None:
    """The member of a union that every string is, so that it may show as it grows.

    In pydantic's smart mode a string is a `str` before it is anything that it could be turned into, JSON in a string
    too where the `str` is first; a literal is the same string.
    """
    strings = [choice for choice, may in zip(choices, kinds, strict=True) if STRING in may]
    if len(strings) == 1:
        return strings[0]
    texts = [choice for choice in strings if choice['type'] == 'str' and not choice.keys() - _UNCONSTRAINED]
    while texts and strings[-1]['type'] == 'json':
        strings.pop()
    others = [choice for choice in strings if choice['type'] not in ('int', 'float', 'bool', 'literal')]
    # Text that is too long or too short for a `str` may be what another member takes.
    limited = config.get('str_max_length') is not None or config.get('str_min_length')
    smart = schema.get('mode', 'smart') == 'smart'
    return texts[0] if texts and others == texts[:1] and smart and not limited else None
