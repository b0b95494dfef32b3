"""The code in a lesson's README, which is quoted from its files and never typed twice.

A fence names what it quotes: a file of the lesson and one or more functions, classes or names at the top level of it.
A fence `text output` quotes lines of what the lesson prints, with `…` where some are left out.

    ```python lesson.py: naive, right
    ```text output

Other fences may hold commands (`sh`) or text that is no code; a `python` fence that quotes nothing is an error.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ['filled', 'misquoted']

FENCE = re.compile(r'^```(\w*) *([^\n]*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
SOURCE = re.compile(r'(\w+\.py): *(.+)')


@dataclass(frozen=True)
class _Quote:
    language: str
    source: str
    body: str
    line: int


def misquoted(readme: Path, expected: str) -> list[str]:
    """What is wrong with the quotes of a README, in sentences.

    Args:
        readme: The file; what it quotes is beside it.
        expected: What the lesson prints.
    """
    text = readme.read_text('utf-8')
    return [
        f'README.md, line {quote.line}: {wrong}'
        for quote in _quotes(text)
        if (wrong := _wrong(quote, readme, expected))
    ]


def filled(readme: Path) -> str:
    """The README with its quotes of code as the files have them now.

    Raises:
        LookupError: A quote names something that is not there.
    """

    def fill(match: re.Match[str]) -> str:
        source = SOURCE.fullmatch(match[2])
        if source is None:
            return match[0]
        return f'```{match[1]} {match[2]}\n{_code(readme.parent / source[1], source[2])}```'

    return FENCE.sub(fill, readme.read_text('utf-8'))


def _quotes(text: str) -> Iterator[_Quote]:
    for match in FENCE.finditer(text):
        yield _Quote(match[1], match[2].strip(), match[3], text.count('\n', 0, match.start()) + 1)


def _wrong(quote: _Quote, readme: Path, expected: str) -> str:
    if quote.language == 'text' and quote.source == 'output':
        return _not_printed(quote.body, expected)
    source = SOURCE.fullmatch(quote.source)
    if source is None:
        if quote.language in ('python', 'py'):
            return 'code is quoted, as in ```python lesson.py: naive'
        return ''
    try:
        code = _code(readme.parent / source[1], source[2])
    except LookupError as error:
        return str(error.args[0])
    return '' if code == quote.body else f'this is not what {quote.source} says; `verify --write` mends it'


def _not_printed(body: str, expected: str) -> str:
    if not body.strip():
        return 'no output is quoted here'
    lines = iter(expected.splitlines())
    for line in body.splitlines():
        if line.strip() and line != '…' and line not in lines:
            return f'the lesson does not print {line!r} (here)'
    return ''


def _code(file: Path, names: str) -> str:
    if not file.is_file():
        raise LookupError(f'there is no {file.name}')
    text = file.read_text('utf-8')
    lines, places = text.splitlines(keepends=True), dict(_places(ast.parse(text)))
    parts: list[str] = []
    for name in names.split(','):
        if (place := places.get(name.strip())) is None:
            raise LookupError(f'{file.name} has no {name.strip()!r} at its top level')
        parts.append(''.join(lines[place[0] - 1 : place[1]]))
    return '\n\n'.join(parts)


def _places(tree: ast.Module) -> Iterator[tuple[str, tuple[int, int]]]:
    for node in tree.body:
        last = node.end_lineno or node.lineno
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, (min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]), last)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    yield target.id, (node.lineno, last)
