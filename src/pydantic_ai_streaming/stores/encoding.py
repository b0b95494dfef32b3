"""The JSON in which stores keep messages and records, and what becomes of a message in it.

A message is kept as `ModelMessagesTypeAdapter` writes it, so that any program can read it. Tools return more than JSON
has, though: a tuple or a set comes back as a list, a model or a dataclass as a dict, bytes as base64. `is_stored_as`
recognises a message all the same. (To write sets in a fixed order would not do: the same message may also have gone
through JSON elsewhere, with its set in another order.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_ai.conversation_store import ConversationEntry, ConversationRecord
from pydantic_ai.messages import BaseToolReturnPart, ModelMessage, ModelMessagesTypeAdapter
from pydantic_core import PydanticSerializationError, SchemaSerializer, from_json, to_jsonable_python
from pydantic_core.core_schema import CoreConfig

from ..errors import StoreError

__all__ = [
    'EntryRow',
    'RecordRow',
    'decode_entries',
    'decode_record',
    'encode_entry',
    'encode_message',
    'encode_record',
    'is_stored_as',
    'unreadable',
    'why_unreadable',
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ANY: TypeAdapter[Any] = TypeAdapter(Any)
_SEVERAL = (list, tuple, set, frozenset)
_SCALAR = (str, int, float, bool, bytes, type(None))


class EntryRow(NamedTuple):
    """An entry as a backend keeps it."""

    id: str
    parent_id: str | None
    message: str | bytes


class RecordRow(NamedTuple):
    """A record as a backend keeps it: its JSON, and what the backend itself has to know."""

    conversation_id: str
    revision: str
    scope: str | None
    head_id: str | None
    tips: list[str]
    """The entries that keep others alive: the head and the ends of the branches."""
    updated_at: int
    """Microseconds since 1970, UTC."""
    record: str


def encode_entry(entry: ConversationEntry) -> EntryRow:
    """An entry, ready to be stored.

    Raises:
        StoreError: Its message has no JSON form.
    """
    return EntryRow(entry.id, entry.parent_id, encode_message(entry.message))


def decode_entries(rows: Sequence[EntryRow]) -> list[ConversationEntry]:
    """Stored entries, decoded together, which takes a third of the time that one by one takes.

    Raises:
        StoreError: A message cannot be read.
    """
    texts = [row.message.encode() if isinstance(row.message, str) else row.message for row in rows]
    try:
        messages = ModelMessagesTypeAdapter.validate_json(b'[' + b','.join(texts) + b']')
    except ValidationError as error:
        index = error.errors()[0]['loc'][:1]
        which = f'Entry {rows[int(index[0])].id!r}' if index else 'An entry'
        raise unreadable(which, error) from error
    return [
        ConversationEntry(id=row.id, parent_id=row.parent_id, message=message)
        for row, message in zip(rows, messages, strict=True)
    ]


def is_stored_as(message: ModelMessage, stored: ModelMessage) -> bool:
    """Whether `stored`, as it was read, is the message.

    Raises:
        StoreError: The message has no JSON form.
    """
    if message == stored:
        return True
    text = encode_message(message)
    if ModelMessagesTypeAdapter.validate_json(f'[{text}]')[0] == stored:
        return True
    if not _holds_a_set(message):
        return False
    values = ModelMessagesTypeAdapter.dump_python([message])[0]
    return _is_same(values, from_json(text), from_json(encode_message(stored)))


def encode_record(record: ConversationRecord) -> RecordRow:
    """A record, ready to be stored.

    Raises:
        StoreError: Something that it carries has no JSON form.
    """
    try:
        text = _record_serializer().to_json(record).decode()
        from_json(text)
    except (PydanticSerializationError, ValueError) as error:
        raise StoreError(
            f'The deferred tool requests of conversation {record.conversation_id!r} cannot be stored: {error}. Give '
            'their arguments and metadata only values that have a JSON form.',
            reason='unstorable',
        ) from error
    tips = [*dict.fromkeys(tip for tip in (record.head_id, *record.branches) if tip is not None)]
    updated_at = (record.updated_at.astimezone(UTC) - _EPOCH) // _MICROSECOND
    return RecordRow(record.conversation_id, record.revision, record.scope, record.head_id, tips, updated_at, text)


def decode_record(text: str | bytes) -> ConversationRecord:
    """A stored record.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        return _record_adapter().validate_json(text)
    except ValidationError as error:
        raise unreadable('A conversation record', error) from error


@cache
def _record_adapter() -> TypeAdapter[ConversationRecord]:
    return TypeAdapter(ConversationRecord)


@cache
def _record_serializer() -> SchemaSerializer:
    # A dataclass takes no config, so bytes in the arguments of a deferred call get theirs here.
    return SchemaSerializer(_record_adapter().core_schema, CoreConfig(ser_json_bytes='base64'))


def unreadable(what: str, error: Exception) -> StoreError:
    """The error for something stored that cannot be read."""
    return StoreError(
        f'{what} cannot be read by this version of pydantic-ai: {why_unreadable(error)}. If a newer version has '
        'written it, use that version here too; otherwise it is damaged: restore it from a backup.',
        reason='damaged',
    )


def why_unreadable(error: Exception) -> str:
    """What is wrong with something stored that cannot be read."""
    return str(error.errors()[0]['msg'] if isinstance(error, ValidationError) else error)


def encode_message(message: ModelMessage) -> str:
    """The JSON of a message.

    Raises:
        StoreError: It has none.
    """
    try:
        return _dump(message)
    except (PydanticSerializationError, UnicodeError, ValueError, RecursionError):
        pass
    try:
        return _dump(_with_plain_values(message))
    except (PydanticSerializationError, UnicodeError, ValueError, RecursionError) as error:
        raise StoreError(
            f'A message ({_in_short(message)}) has no JSON form that could be read again, and is not stored: {error}. '
            'Let tools return, and put into metadata, only what pydantic can serialise and read.',
            reason='unstorable',
        ) from error


def _dump(message: ModelMessage) -> str:
    text = ModelMessagesTypeAdapter.dump_json([message])[1:-1].decode()
    # pydantic writes what it does not read (more than 200 brackets deep, integers of more than 4,300 digits), and one
    # such message would close its whole conversation. It is read as deep inside as a journal has it.
    from_json(f'[[{text}]]')
    return text


def _holds_a_set(value: object) -> bool:
    if isinstance(value, _SCALAR):
        return False
    if isinstance(value, set | frozenset):
        return True
    if isinstance(value, Mapping):
        return any(_holds_a_set(item) for item in cast('Mapping[object, object]', value).values())
    if isinstance(value, list | tuple):
        return any(_holds_a_set(item) for item in cast('Sequence[object]', value))
    return (dataclasses.is_dataclass(value) or isinstance(value, BaseModel)) and any(
        _holds_a_set(item) for item in vars(value).values()
    )


def _is_same(value: Any, jsonable: Any, stored: Any) -> bool:
    """Whether `jsonable`, which is `value` in JSON's terms, is `stored`, whatever the order of the elements of sets."""
    if isinstance(value, Mapping) and isinstance(jsonable, dict) and isinstance(stored, dict):
        by_name = {str(key): item for key, item in cast('Mapping[Any, Any]', value).items()}
        ours, theirs = cast('dict[str, Any]', jsonable), cast('dict[str, Any]', stored)
        return ours.keys() == theirs.keys() and all(_is_same(by_name.get(key), ours[key], theirs[key]) for key in ours)
    if isinstance(value, _SEVERAL) and isinstance(jsonable, list) and isinstance(stored, list):
        items, ours, theirs = cast('list[Any]', value), cast('list[Any]', jsonable), list(cast('list[Any]', stored))
        if not len(items) == len(ours) == len(theirs):
            return False
        pairs = zip(items, ours, strict=True)
        if isinstance(value, list | tuple):
            return all(_is_same(*pair, other) for pair, other in zip(pairs, theirs, strict=True))
        return all(_took(theirs, *pair) for pair in pairs)
    return jsonable == stored


def _took(stored: list[Any], value: Any, jsonable: Any) -> bool:
    """Take the element that is the same out of `stored`, if there is one."""
    for index, other in enumerate(stored):
        if _is_same(value, jsonable, other):
            del stored[index]
            return True
    return False


def _with_plain_values(message: ModelMessage) -> ModelMessage:
    """The message with what tools returned in JSON's terms.

    A model encodes its bytes as its own settings say, and fails by default if they are not UTF-8.
    """
    parts = [copy(part) for part in message.parts]
    for part in parts:
        if isinstance(part, BaseToolReturnPart):
            part.content, part.metadata = _plain(part.content), _plain(part.metadata)
    plain = copy(message)
    plain.parts = cast('Any', parts)
    return plain


def _plain(value: Any) -> Any:
    return to_jsonable_python(_ANY.dump_python(value), bytes_mode='base64', inf_nan_mode='null')


def _in_short(message: ModelMessage) -> str:
    names = [getattr(part, 'tool_name', None) for part in message.parts]
    parts = [
        f'{part.part_kind} of {name!r}' if name else part.part_kind
        for part, name in zip(message.parts, names, strict=True)
    ]
    return f'{message.kind}: {", ".join(parts) or "no parts"}'
