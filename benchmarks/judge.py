"""Judges the snapshots of a document beside what a perfect reader could show: `Judge`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from pydantic import BaseModel

from benchmarks.documents import CHUNKINGS, Document, document
from benchmarks.oracle import Leaf, Oracle, Path
from pydantic_ai_streaming import PartialOutput, partial_outputs

__all__ = [
    'ABSENT',
    'Judge',
    'Verdict',
    'counted',
    'in_value',
    'judge_partial_outputs',
    'shown_in',
    'table',
    'value_at',
]

ABSENT: Final = cast('Any', object())
"""Nothing is shown."""


@dataclass
class Verdict:
    """How many snapshots were right, and how fresh they were.

    Attributes:
        chunks: Chunks after which something was looked at.
        snapshots: Of these, those after which something was new.
        wrong: Snapshots with a value that is not that of the whole document, nor, for text, its beginning.
        taken_back: Snapshots without something that was shown before.
        mistyped: Snapshots with a value of another type than in the end, or with data where nothing has come.
        alarms: Snapshots that report something invalid.
        shown: Characters that were shown, over all chunks.
        possible: Characters that a perfect reader shows, over all chunks.
    """

    chunks: int = 0
    snapshots: int = 0
    wrong: int = 0
    taken_back: int = 0
    mistyped: int = 0
    alarms: int = 0
    shown: int = 0
    possible: int = 0

    @property
    def freshness(self) -> float:
        """The share of what a perfect reader shows."""
        return self.shown / self.possible if self.possible else 1.0

    @property
    def faults(self) -> tuple[int, int, int, int]:
        """Wrong, taken back, mistyped, false alarms."""
        return self.wrong, self.taken_back, self.mistyped, self.alarms


class Judge:
    """Looks at one snapshot after the other.

    Args:
        oracle: Of the document.
        value: The final value, as the snapshots should come to it: of the type, or what `json` makes of the document.

    Attributes:
        verdict: What was found so far.
    """

    def __init__(self, oracle: Oracle, value: Any) -> None:
        self.verdict = Verdict()
        self._oracle = oracle
        self._truth = {leaf.path: value_at(value, leaf.path) for leaf in oracle.leaves}
        self._before: dict[Path, Any] = {}
        self._characters = 0

    def look(self, shown: Callable[[Leaf], Any], leaves: Iterable[Leaf] | None = None) -> None:
        """Judge a snapshot.

        Args:
            shown: Tells what it shows of a leaf, `ABSENT` if nothing. Raises `TypeError` for data where nothing came.
            leaves: Those that may have changed, of which the end of text is compared, so that the time does not grow
                with the document. All are compared as a whole by default.
        """
        wrong = taken_back = mistyped = False
        for leaf in self._oracle.leaves if leaves is None else leaves:
            before = self._before.get(leaf.path, ABSENT)
            try:
                value = shown(leaf)
            except TypeError:
                mistyped = True
                continue
            truth = self._truth[leaf.path]
            if value is not ABSENT:
                if type(value) is not type(truth):
                    mistyped = True
                elif not _is_right(leaf, value, truth, None if leaves is None else before):
                    wrong = True
            if before is not ABSENT and (value is ABSENT or not _goes_on(before, value, whole=leaves is None)):
                taken_back = True
            if value is not before:
                self._before[leaf.path] = value
                self._characters += _characters(leaf, value) - _characters(leaf, before)
        self.verdict.wrong += wrong
        self.verdict.taken_back += taken_back
        self.verdict.mistyped += mistyped

    def chunk(self, prefix: int, *, new: bool) -> None:
        """Note what is shown after a chunk, whether it has brought a snapshot or not."""
        verdict = self.verdict
        verdict.chunks += 1
        verdict.snapshots += new
        verdict.shown += self._characters
        verdict.possible += self._oracle.readable[prefix]


def _is_right(leaf: Leaf, value: Any, truth: Any, before: Any) -> bool:
    if not leaf.grows:
        return value == truth
    if isinstance(before, str):
        start, end = max(0, len(before) - 8), len(value)
        return end <= len(truth) and value[start:] == truth[start:end]
    return truth.startswith(value)


def _goes_on(before: Any, value: Any, *, whole: bool) -> bool:
    if isinstance(before, str) and isinstance(value, str):
        return value.startswith(before) if whole else len(value) >= len(before)
    return type(before) is type(value) and before == value


def _characters(leaf: Leaf, value: Any) -> int:
    if value is ABSENT:
        return 0
    return len(value) if leaf.grows and isinstance(value, str) else len(leaf.shown_at)


def value_at(value: Any, path: Path) -> Any:
    """What is at a path of models, dicts and lists; `ABSENT` if it does not lead anywhere."""
    for step in path:
        if isinstance(value, BaseModel):
            value = getattr(value, str(step), ABSENT)
        elif isinstance(value, dict):
            value = cast('dict[Any, Any]', value).get(step, ABSENT)
        elif isinstance(value, list) and isinstance(step, int):
            elements = cast('list[Any]', value)
            value = elements[step] if step < len(elements) else ABSENT
        else:
            return ABSENT
    return value


def in_value(value: Any) -> Callable[[Leaf], Any]:
    """How to read a snapshot that is a plain value: `None` is nothing, nor is a field that was not set."""

    def shown(leaf: Leaf) -> Any:
        found = value_at(value, leaf.path)
        parent = value_at(value, leaf.path[:-1])
        is_set = not isinstance(parent, BaseModel) or leaf.path[-1] in parent.model_fields_set
        return ABSENT if not is_set or (found is None and leaf.raw is not None) else found

    return shown


def shown_in(partial: PartialOutput[Any], prefix: int) -> Callable[[Leaf], Any]:
    """How to read a snapshot of this package: its states tell what is data."""

    def shown(leaf: Leaf) -> Any:
        state, value = partial.state(leaf.path), value_at(partial.value, leaf.path)
        if (state == 'complete') != (prefix >= leaf.complete) or (state != 'missing' and prefix < leaf.announced):
            raise TypeError(f'{leaf.path} is {state} after {prefix} characters')
        if state == 'complete' or (state == 'streaming' and leaf.grows and value is not None):
            return value
        if value not in (ABSENT, None, _default(partial.value, leaf.path)):
            raise TypeError(f'{leaf.path} is {value!r}, and {state}')
        return ABSENT

    return shown


def _default(value: Any, path: Path) -> Any:
    """The default of the field at a path."""
    parent = value_at(value, path[:-1])
    if not isinstance(parent, BaseModel):
        return None
    return type(parent).model_fields[str(path[-1])].get_default(call_default_factory=True)


def counted(chunks: Iterable[str], prefix: list[int]) -> Iterator[str]:
    """The chunks; `prefix` tells how many characters were taken."""
    for chunk in chunks:
        prefix[0] += len(chunk)
        yield chunk


def judge_partial_outputs(
    material: Document, oracle: Oracle, chunks: Sequence[str], *, looks: int | None = None
) -> Verdict:
    """Judge every snapshot of `partial_outputs`.

    Args:
        material: What is streamed.
        oracle: Of the document.
        chunks: In which pieces.
        looks: At how many snapshots, evenly spread, to look as a whole; at the others by what they say has changed.
            `None` looks at all as a whole.

    Raises:
        ValueError: The last snapshot is not what pydantic makes of the whole.
    """
    truth = material.value
    judge = Judge(oracle, truth)
    prefix = [0]
    every = 1 if looks is None else max(1, len(chunks) // looks)
    last = None
    lengths = iter(_lengths(chunks))
    for told, last in enumerate(partial_outputs(counted(chunks, prefix), material.type), 1):
        while (length := next(lengths, None)) is not None and length < prefix[0]:
            judge.chunk(length, new=False)
        whole = told % every == 0 or prefix[0] == len(material.text)
        judge.look(shown_in(last, prefix[0]), None if whole else _changed(last, oracle))
        judge.verdict.alarms += bool(last.errors)
        if length is not None:
            judge.chunk(length, new=True)
    if last is None or not last.is_final or last.value != truth:
        raise ValueError(f'{material.name}: the final value is not that of validate_json')
    return judge.verdict


def _lengths(chunks: Sequence[str]) -> Iterator[int]:
    length = 0
    for chunk in chunks:
        length += len(chunk)
        yield length


def _changed(partial: PartialOutput[Any], oracle: Oracle) -> list[Leaf]:
    return [
        leaf for path in dict.fromkeys(change.path for change in partial.changes) for leaf in oracle.at.get(path, ())
    ]


def table(names: Sequence[str], *, looks: int | None = None) -> Iterator[str]:
    """Lines with the verdict on each document in each kind of chunks."""
    yield f'{"":12} {"chunks of":>11} {"snapshots":>10} wrong taken back mistyped alarms freshness'
    for name in names:
        material = document(name)
        oracle = Oracle(material)
        for kind, cut in CHUNKINGS.items():
            verdict = judge_partial_outputs(material, oracle, cut(material.text), looks=looks)
            yield (
                f'{name:12} {kind:>11} {verdict.snapshots:10,} {verdict.wrong:5} {verdict.taken_back:10}'
                f' {verdict.mistyped:8} {verdict.alarms:6} {verdict.freshness:9.4f}'
            )
