"""Changes of a partial output for the wire: `json_patch`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, cast

from pydantic_core import to_jsonable_python

from ..core.wording import a
from .frames import ADDED, ENDED, GAP, OPENED, REPLACED, TEXT, Frame, first, path_of
from .invalid import Path
from .partial_output import Moment, PartialOutput
from .shapes import MISSING

__all__ = ['json_patch', 'jsonable', 'patched', 'pointer']


def json_patch(partial: PartialOutput[Any], *, text: Literal['replace', 'str_ins'] = 'replace') -> list[dict[str, Any]]:
    """What has changed since the snapshot before, as a JSON Patch (RFC 6902).

    Applied in order to nothing, the patches of all snapshots make the document as it has come, with values as they were
    validated: fields that have not come are not in it, secrets are masked. If an output validator or function has made
    something else of it, the last patch is all of that.

    Args:
        partial: The snapshot.
        text: How text grows. RFC 6902 can only replace it as a whole; `'str_ins'`, an extension that JSON CRDT
            libraries know, sends the new piece alone: `{"op": "str_ins", "path": ..., "pos": 5, "str": "..."}`.

    Raises:
        TypeError: `partial` is no snapshot.
        ValueError: `text` is neither of the two.

    Example:
        >>> from pydantic_ai_streaming import json_patch, partial_outputs
        >>> for partial in partial_outputs(['{"title": "Du', 'ne", "year": 1965}'], dict[str, str | int]):
        ...     print(json_patch(partial))
        [{'op': 'add', 'path': '', 'value': {}}, {'op': 'add', 'path': '/title', 'value': 'Du'}]
        [{'op': 'replace', 'path': '/title', 'value': 'Dune'}, {'op': 'add', 'path': '/year', 'value': 1965}]
        []
    """
    if not isinstance(partial, PartialOutput):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
        raise TypeError(f'json_patch needs a snapshot of partial_outputs(), not {a(partial)}, which knows no changes')
    if text not in ('replace', 'str_ins'):
        raise ValueError(f"text={text!r}: use 'replace' or 'str_ins'")
    if partial.replaces:
        return [{'op': 'add', 'path': '', 'value': jsonable(partial.value)}]
    moment = partial.moment
    return [] if moment is None else list(_operations(moment, text))


def _operations(moment: Moment, text: str) -> Iterator[dict[str, Any]]:
    entries = [tuple(moment.log[index : index + 4]) for index in range(moment.start, moment.end, 4)]
    grown = {(frame, name) for kind, frame, name, _ in entries if kind == TEXT}
    begun = {(frame, name) for kind, frame, name, value in entries if kind == TEXT and value[1] == 0}
    ended = {(frame, name) for kind, frame, name, _ in entries if kind in (ENDED, ADDED, REPLACED)}
    told: set[tuple[Frame, Any]] = set()
    for kind, frame, name, value in entries:
        path = path_of(frame, name)
        if path[: len(moment.prefix)] != moment.prefix:
            continue
        place_at = pointer(path[len(moment.prefix) :])
        place = frame, name
        if kind == OPENED:
            opened, count = value
            yield {'op': 'add', 'path': place_at, 'value': jsonable(first(opened.parts, count))}
        elif kind == REPLACED:
            # Text of these same changes was left out for it, where text is sent as a whole.
            new = place in begun and place not in told
            if value is not MISSING or frame.is_array:
                value = None if value is MISSING else jsonable(value)
                yield {'op': 'add' if new else 'replace', 'path': place_at, 'value': value}
            elif not new:
                yield {'op': 'remove', 'path': place_at}
        elif kind in (ADDED, GAP):
            yield {'op': 'replace' if place in told else 'add', 'path': place_at, 'value': jsonable(value)}
        elif kind == TEXT and text == 'str_ins':
            piece, before = value
            told.add(place)
            if before:
                yield {'op': 'str_ins', 'path': place_at, 'pos': before, 'str': piece}
            else:
                yield {'op': 'add', 'path': place_at, 'value': piece}
        elif kind == (TEXT if place not in ended else ENDED) and place in grown and place not in told:
            told.add(place)
            whole = jsonable(value) if kind == ENDED else moment.text
            yield {'op': 'add' if place in begun else 'replace', 'path': place_at, 'value': whole}


def pointer(path: Path) -> str:
    """A JSON Pointer (RFC 6901)."""
    return ''.join('/' + str(step).replace('~', '~0').replace('/', '~1') for step in path)


def jsonable(value: Any) -> Any:
    """A value as JSON has it, by its aliases."""
    try:
        return to_jsonable_python(value, by_alias=True, inf_nan_mode='strings', fallback=str)
    except UnicodeDecodeError:
        return to_jsonable_python(value, by_alias=True, inf_nan_mode='strings', fallback=str, bytes_mode='base64')


def patched(document: Any, operations: Iterable[Mapping[str, Any]]) -> Any:
    """The document after the operations of a patch, which may change it in place; `str_ins` included.

    Args:
        document: What the patches before have made; anything, if there were none.
        operations: Of `json_patch`.

    Example:
        >>> patched({'a': 'x'}, [{'op': 'str_ins', 'path': '/a', 'pos': 1, 'str': 'y'}])
        {'a': 'xy'}
    """
    holder: dict[str, Any] = {'': document}
    for operation in operations:
        *above, last = [step.replace('~1', '/').replace('~0', '~') for step in operation['path'].split('/')]
        place: Any = holder
        for step in above:
            place = place[int(step) if type(place) is list else step]
        kind = operation['op']
        if type(place) is list:
            _change_element(cast('list[Any]', place), int(last), kind, operation)
        elif kind == 'remove':
            del place[last]
        else:
            place[last] = place[last] + operation['str'] if kind == 'str_ins' else operation['value']
    return holder['']


def _change_element(elements: list[Any], index: int, kind: str, operation: Mapping[str, Any]) -> None:
    if kind == 'add':
        elements.insert(index, operation['value'])
    else:
        elements[index] = elements[index] + operation['str'] if kind == 'str_ins' else operation['value']
