"""What a machine says: `Answer`, or `Step` when something is to be written first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ...logs.heads import Write

__all__ = ['Answer', 'Refused', 'Step', 'gone', 'missing', 'only_read', 'refusal']


@dataclass(frozen=True, slots=True)
class Answer:
    """A response.

    Attributes:
        status: Its status.
        headers: Its headers, their names in lower case.
        body: Its body.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b''


@dataclass(frozen=True, slots=True)
class Step:
    """Something to be written. If the log refuses it, the stream is not as it was, and the machine is asked again.

    Attributes:
        writes: What is written, in this order.
        answer: What to answer when it is, from the length that the stream has then; `None`: the machine is asked again.
    """

    writes: Sequence[Write]
    answer: Callable[[int], Answer] | None = None


class Refused(Exception):
    """A request that cannot be read, with its `answer`."""

    def __init__(self, status: int, text: str, **headers: str | int) -> None:
        self.answer = refusal(status, text, **headers)
        super().__init__(text)


def refusal(status: int, text: str, **headers: str | int) -> Answer:
    """An error, told in a sentence. Headers are named with underscores."""
    named = {name.replace('_', '-'): str(value) for name, value in headers.items()}
    return Answer(
        status, {'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', **named}, text.encode()
    )


def missing() -> Answer:
    """There is no such stream."""
    return refusal(404, 'There is no such stream.')


def gone() -> Answer:
    """The stream was deleted; it has forks."""
    return refusal(410, 'This stream was deleted.')


def only_read() -> Answer:
    """The stream is not written through this protocol."""
    return refusal(405, 'This stream can only be read.', allow='GET, HEAD, OPTIONS')
