"""Writes `docs/api.md` from the docstrings: each public name with its signature and the first paragraph.

python -m tools.api_reference
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, is_typeddict

__all__ = ['main', 'reference']

PAGE = Path(__file__).parent.parent / 'docs' / 'api.md'
MODULES = {
    'pydantic_ai_streaming': 'Everything else is in modules of its own; what is not named here is not public.',
    'pydantic_ai_streaming.capabilities': 'See [mounted on an agent](capabilities.md).',
    'pydantic_ai_streaming.course': 'What lessons are written with. See the course in `lessons/`.',
    'pydantic_ai_streaming.display': 'A run on a terminal or in a notebook. See [notebooks](notebooks.md).',
    'pydantic_ai_streaming.integrations.mlflow': 'See [behind MLflow](mlflow.md).',
    'pydantic_ai_streaming.integrations.telemetry': 'See [telemetry](telemetry.md).',
    'pydantic_ai_streaming.serve': 'See [serving](serving.md) and [stream routers](stream-router.md).',
    'pydantic_ai_streaming.stores': 'See [stores](stores.md).',
    'pydantic_ai_streaming.testing': 'See [the testing kit](testing.md).',
}
WIDTH = 100


def reference() -> str:
    """The page."""
    parts = [
        '# API reference',
        'Made from the docstrings by `make docs`; the whole of each is in the source, and in `help(...)`.',
    ]
    for name, about in MODULES.items():
        module = importlib.import_module(name)
        parts += [f'## {name}', about]
        for public in sorted(module.__all__, key=str.lower):
            parts += _entry(public, getattr(module, public))
    return '\n\n'.join(parts) + '\n'


def _entry(name: str, value: Any) -> Iterator[str]:
    yield f'### {name}'
    if inspect.ismodule(value):
        yield _first_paragraph(value)
        yield '\n'.join(line for public in value.__all__ for line in _member(public, getattr(value, public)))
    elif inspect.isclass(value):
        yield _code(name, value)
        yield _first_paragraph(value)
        if members := [line for member, found in _public_in(value).items() for line in _member(member, found)]:
            yield '\n'.join(members)
    elif inspect.isfunction(value):
        yield _code(name, value)
        yield _first_paragraph(value)
    else:
        definition, text = _assigned(name)
        yield f'```text\n{definition}\n```'
        yield ' '.join(text.split('\n\n')[0].split())


def _public_in(value: type) -> dict[str, Any]:
    """The public members of a class, its own first, then those of bases that are not public themselves."""
    public = importlib.import_module('pydantic_ai_streaming').__all__
    members: dict[str, Any] = {}
    for base in value.__mro__:
        if base is value or (base.__module__.startswith('pydantic_ai_streaming') and base.__name__ not in public):
            for member, found in vars(base).items():
                if not member.startswith(('_', 'test_')):
                    members.setdefault(member, found)
    return members


def _member(name: str, found: Any) -> Iterator[str]:
    found = getattr(found, '__func__', found)  # of a class method or a static one
    if isinstance(found, property):
        kind = inspect.signature(found.fget).return_annotation if found.fget else ''
        yield f'- `{name}: {kind}`: {_first_paragraph(found)}'
    elif inspect.isfunction(found) or inspect.isclass(found):
        yield f'- `{_signature(name, found, within=inspect.isfunction(found))}`: {_first_paragraph(found)}'


def _code(name: str, value: Any) -> str:
    prefix = 'class ' if inspect.isclass(value) else 'async def ' if _is_async(value) else 'def '
    line = prefix + _signature(name, value)
    if len(line) > WIDTH:
        parameters, result = _parameters(value)
        line = f'{prefix}{name}(\n' + ''.join(f'    {one},\n' for one in parameters) + f'){result}'
    return f'```text\n{line}\n```'


def _is_async(value: Any) -> bool:
    return inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value)


def _signature(name: str, value: Any, *, within: bool = False) -> str:
    if inspect.isclass(value) and issubclass(value, str | Exception) and '__init__' not in vars(value):
        return name
    parameters, result = _parameters(value)
    if within:
        parameters = [one for one in parameters if one != 'self']
    return f'{"await " if within and inspect.iscoroutinefunction(value) else ""}{name}({", ".join(parameters)}){result}'


def _parameters(value: Any) -> tuple[list[str], str]:
    if is_typeddict(value):
        return [f'{key}: {_annotation(kind)}' for key, kind in _keys(value).items()], ''
    signature = inspect.signature(value)
    shown: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not any(one.startswith('*') for one in shown):
            shown.append('*')
        text = {parameter.VAR_POSITIONAL: '*', parameter.VAR_KEYWORD: '**'}.get(parameter.kind, '') + parameter.name
        if parameter.annotation is not parameter.empty:
            text += f': {_annotation(parameter.annotation)}'
        if parameter.default is not parameter.empty:
            default = parameter.default
            text += f' = {default.__name__ if inspect.isfunction(default) else repr(default)}'
        shown.append(text)
    result = signature.return_annotation
    is_function = result is not signature.empty and not inspect.isclass(value)
    return shown, f' -> {_annotation(result)}' if is_function else ''


def _keys(value: Any) -> dict[str, Any]:
    return {key: getattr(kind, '__forward_arg__', kind) for key, kind in value.__annotations__.items()}


def _annotation(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _first_paragraph(value: Any) -> str:
    return ' '.join((inspect.getdoc(value) or '').split('\n\n')[0].split())


def _assigned(name: str) -> tuple[str, str]:
    """How a name that is neither class nor function is defined, and the string below it."""
    for module in list(sys.modules.values()):
        if module.__name__.startswith('pydantic_ai_streaming') and module.__file__:
            body = ast.parse(Path(module.__file__).read_text('utf-8')).body
            for statement, following in pairwise(body):
                if (
                    isinstance(statement, ast.Assign | ast.AnnAssign)
                    and ast.unparse(statement).split(maxsplit=1)[0].rstrip(':') == name
                    and isinstance(following, ast.Expr)
                    and isinstance(following.value, ast.Constant)
                ):
                    return f'{name} = {ast.unparse(statement.value or following)}', str(following.value.value)
    raise LookupError(f'{name} is defined nowhere with a docstring below it')


def main() -> None:
    """Write the page."""
    PAGE.write_text(reference(), 'utf-8')


if __name__ == '__main__':
    main()
