"""Documents with their types, and ways to cut them: what the tests and benchmarks of partial outputs stream.

Everything here is made from a fixed seed, so that figures compare from one run to the next.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

__all__ = [
    'CHUNKINGS',
    'LARGE',
    'SMALL',
    'Code',
    'Document',
    'Movie',
    'Order',
    'Plan',
    'Record',
    'Tasks',
    'adversarial',
    'document',
    'slices',
    'tokens',
]


class Director(BaseModel):
    name: str
    born: date
    oscars: int = 0


class Movie(BaseModel):
    """Scalars of every kind, text in several alphabets, a default that the document replaces."""

    title: str
    year: int
    rating: float
    released: date | None
    seen: bool
    genres: list[str] = []
    director: Director
    language: str = 'unknown'
    votes: dict[str, int]
    plot: str
    budget: Decimal | None = None


class Status(StrEnum):
    OPEN = 'open'
    DOING = 'doing'
    DONE = 'done'


class Task(BaseModel):
    title: str
    priority: Literal['low', 'medium', 'high']
    status: Status
    due: date
    estimate: float | None = None
    tags: list[str] = []
    done: bool = False


class Tasks(BaseModel):
    """A list of objects with literals, enums and dates."""

    project: str
    tasks: list[Task]


class Book(BaseModel):
    kind: Literal['book']
    title: str
    pages: int


class Device(BaseModel):
    kind: Literal['device']
    model: str
    warranty: bool
    ports: list[Literal['usb-c', 'hdmi', 'ethernet']]


class Card(BaseModel):
    method: Literal['card']
    digits: str
    expires: date


class Transfer(BaseModel):
    method: Literal['transfer']
    iban: str
    reference: str | None


class Address(BaseModel):
    street: str
    city: str
    zip: Annotated[str, Field(min_length=4, max_length=10)]


class Line(BaseModel):
    article: Annotated[Book | Device, Field(discriminator='kind')]
    count: Annotated[int, Field(ge=1)]
    price: Decimal


class Order(BaseModel):
    """Three levels; unions that a field tells apart, which is not the first one everywhere."""

    number: int
    placed: datetime
    payment: Annotated[Card | Transfer, Field(discriminator='method')]
    to: Address
    lines: list[Line]
    coupon: str | None
    paid: bool


class Step(BaseModel):
    title: str
    minutes: int
    after: list[int] = []


class Plan(BaseModel):
    """The field without which it is not valid comes last."""

    goal: str
    steps: list[Step]
    risks: dict[str, str] = {}
    note: str


class Record(BaseModel):
    """One of hundreds."""

    id: int
    name: str
    price: float
    active: bool
    created: date
    level: Literal['bronze', 'silver', 'gold']
    tags: list[str]
    comment: str | None


class Code(BaseModel):
    """Nearly all of it is one string."""

    path: str
    code: str


@dataclass(frozen=True)
class Document:
    """A document and what it turns into.

    Attributes:
        type: Its type.
        text: Its JSON.
        whole: Keys whose strings show only when they are complete: dates, literals and the like.
        tags: Keys without which the object that holds them cannot be told.
    """

    name: str
    type: Any
    text: str
    whole: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    @property
    def value(self) -> Any:
        """What pydantic makes of the whole."""
        return TypeAdapter(self.type).validate_json(self.text)


SMALL = ('movie', 'tasks', 'order', 'plan')
LARGE = ('records', 'code')
"""Of 100 KB, and as `'records-10k'`, `'code-10k'` of 10 KB."""

WORDS = (
    'the',
    'quick',
    'brown',
    'fox',
    'jumps',
    'over',
    'lazy',
    'wizards',
    'tea',
    'at',
    'dawn',
    'in',
    'München',
    '東京',
)


@cache
def document(name: str) -> Document:
    """One of the documents, by its name."""
    kind, _, size = name.partition('-')
    characters = {'': 100_000, '10k': 10_000, '3k': 3_000}[size]
    if kind == 'records':
        return _records(name, characters)
    if kind == 'code':
        return _code(name, characters)
    return {'movie': _movie, 'tasks': _tasks, 'order': _order, 'plan': _plan}[kind]()


def _movie() -> Document:
    text = (
        '{"title": "Am\\u00e9lie \\ud83c\\udfac", "year": 2001, "rating": 8.3, "released": "2001-04-25",\n'
        ' "seen": true, "genres": ["comedy", "rom\\u0061nce"],\n'
        ' "director": {"name": "Jean-Pierre Jeunet", "born": "1953-09-03"},\n'
        ' "language": "fran\\u00e7ais", "votes": {"imdb": 790123, "rotten \\"tomatoes\\"": 250000, "none": -1},\n'
        ' "plot": "A shy waitress\\n\\tdecides to change \\/ brighten \U0001f469\\u200d\\ud83c\\udf73 \\\\o\\/.",\n'
        ' "budget": 10.50e6 }'
    )
    return Document('movie', Movie, text, frozenset({'released', 'born'}))


def _sentence(source: random.Random, words: int) -> str:
    return ' '.join(source.choice(WORDS) for _ in range(words))


def _tasks() -> Document:
    source = random.Random(1)
    tasks = [
        {
            'title': _sentence(source, 4),
            'priority': source.choice(['low', 'medium', 'high']),
            'status': source.choice(['open', 'doing', 'done']),
            'due': f'2025-{source.randrange(1, 13):02}-{source.randrange(1, 29):02}',
            'estimate': source.choice([None, 0.5, 12, 1e2]),
            'tags': [source.choice(WORDS) for _ in range(n % 3)],
            'done': n % 2 == 0,
        }
        for n in range(5)
    ]
    text = json.dumps({'project': 'Say "hi" \u2603 \U0001f680', 'tasks': tasks})
    return Document('tasks', Tasks, text, frozenset({'priority', 'status', 'due'}))


def _order() -> Document:
    order = {
        'number': 40017,
        'placed': '2025-03-01T12:30:00Z',
        'payment': {'method': 'card', 'digits': '**** 4242', 'expires': '2027-01-31'},
        'to': {'street': 'Långgatan 5', 'city': 'Göteborg', 'zip': '41303'},
        'lines': [
            {'article': {'kind': 'book', 'title': 'Dune \U0001f3dc', 'pages': 412}, 'count': 2, 'price': '9.99'},
            {
                'article': {'model': 'X1 "mini"', 'kind': 'device', 'warranty': True, 'ports': ['usb-c', 'hdmi']},
                'count': 1,
                'price': 1299.5,
            },
            {'article': {'title': 'Emma', 'pages': 474, 'kind': 'book'}, 'count': 3, 'price': 0},
        ],
        'coupon': None,
        'paid': False,
    }
    whole = frozenset({'placed', 'method', 'expires', 'kind', 'price', 'ports'})
    text = json.dumps(order, ensure_ascii=False, indent=1)
    return Document('order', Order, text, whole, frozenset({'kind', 'method'}))


def _plan() -> Document:
    source = random.Random(2)
    plan = {
        'goal': _sentence(source, 12),
        'steps': [{'title': _sentence(source, 5), 'minutes': 5 * n, 'after': list(range(n))} for n in range(5)],
        'risks': {f'risk {n}': _sentence(source, 4) for n in range(3)},
        'note': _sentence(source, 10),
    }
    return Document('plan', Plan, json.dumps(plan, ensure_ascii=False, separators=(',', ':')))


def _records(name: str, characters: int) -> Document:
    source = random.Random(3)
    records: list[str] = []
    length = 0
    while length < characters:
        record = {
            'id': len(records) + 1,
            'name': _sentence(source, 3),
            'price': round(source.uniform(0, 500), 2),
            'active': source.random() < 0.5,
            'created': f'2024-{source.randrange(1, 13):02}-{source.randrange(1, 29):02}',
            'level': source.choice(['bronze', 'silver', 'gold']),
            'tags': [source.choice(WORDS) for _ in range(source.randrange(3))],
            'comment': source.choice([None, _sentence(source, 5)]),
        }
        records.append(json.dumps(record, ensure_ascii=source.random() < 0.3))
        length += len(records[-1]) + 2
    return Document(name, list[Record], f'[{", ".join(records)}]', frozenset({'created', 'level'}))


def _code(name: str, characters: int) -> Document:
    source = random.Random(4)
    parts: list[str] = []
    length = 0
    while length < characters:
        line = f'    print("{_sentence(source, 4)}", \'\\t\', {source.randrange(999)})  # {source.choice("é☃🚀🎬")}\n'
        parts.append(json.dumps(line, ensure_ascii=source.random() < 0.7)[1:-1])
        length += len(parts[-1])
    return Document(name, Code, f'{{"path": "src/main.py", "code": "{"".join(parts)}"}}')


# Cuts


def slices(text: str, size: int) -> list[str]:
    """Pieces of one size."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def tokens(text: str) -> list[str]:
    """Irregular pieces as a tokenizer makes them: most of 2 to 5 characters, some of 1, few of 12."""
    source = random.Random(5)
    pieces: list[str] = []
    start = 0
    while start < len(text):
        size = source.choice((1, 2, 3, 3, 4, 4, 4, 5, 6, 12))
        pieces.append(text[start : start + size])
        start += size
    return pieces


_token = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null', re.DOTALL)
_escape = re.compile(r'\\(?:u[0-9a-fA-F]{4}|.)', re.DOTALL)


def adversarial(text: str) -> list[str]:
    """Pieces cut wherever a cut hurts.

    Inside and after every escape, so between the halves of surrogate pairs; at each place of numbers and literals; in
    strings and keys after the quote that opens, in the middle, and before the quote that closes.
    """
    places: set[int] = set()
    for token in _token.finditer(text):
        start, end = token.span()
        if text[start] != '"':
            places.update(range(start, end + 1))
            continue
        places.update((start + 1, (start + end) // 2, end - 1))
        for escape in _escape.finditer(text, start, end):
            places.update(range(escape.start(), escape.end() + 1))
    return _cut_at(text, sorted(places))


def _cut_at(text: str, places: Iterable[int]) -> list[str]:
    pieces: list[str] = []
    start = 0
    for place in (*places, len(text)):
        if place > start:
            pieces.append(text[start:place])
            start = place
    return pieces


CHUNKINGS: dict[str, Callable[[str], list[str]]] = {
    '1': lambda text: slices(text, 1),
    '4': lambda text: slices(text, 4),
    'tokens': tokens,
    '64': lambda text: slices(text, 64),
    'adversarial': adversarial,
}
