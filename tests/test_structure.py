"""The structure of the package, read from its syntax trees: layers, cycles, sizes, scopes and public names."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

PACKAGE = 'pydantic_ai_streaming'
ROOT = Path(__file__).parent.parent / 'src' / PACKAGE

# Each layer may import those that are named beside it, and itself. Siblings of the outer ring do not see each other.
LAYERS: dict[str, set[str]] = {
    'core': set(),
    'errors': {'core'},
    'partials': {'core', 'errors'},
    'reduce': {'partials', 'core', 'errors'},
    'aio': {'core', 'errors'},
    'run': {'aio', 'reduce', 'partials', 'core', 'errors'},
    'display': {'run', 'aio', 'reduce', 'partials', 'core', 'errors'},
    'capabilities': {'run', 'aio', 'reduce', 'partials', 'core', 'errors'},
    'databases': {'errors'},
    'stores': {'databases', 'errors'},
    'logs': {'databases', 'aio', 'core', 'errors'},
    'integrations': {'run', 'aio', 'reduce', 'partials', 'core', 'errors'},
    'chat': {'stores', 'run', 'aio', 'reduce', 'partials', 'core', 'errors'},
    'serve': {'logs', 'chat', 'stores', 'run', 'aio', 'reduce', 'partials', 'core', 'errors'},
    'testing': {'logs', 'stores', 'run', 'aio', 'reduce', 'partials', 'core', 'errors'},
    'demo': {'display', 'testing', 'run', 'aio', 'reduce', 'partials', 'core', 'errors'},
    'course': {'demo', 'display', 'testing', 'chat', 'stores', 'run', 'aio', 'reduce', 'partials', 'core', 'errors'},
    'cli': {'demo', 'course'},
    '__main__': {'cli'},
    '__init__': {'chat', 'run', 'aio', 'reduce', 'partials', 'core', 'errors'},
}
# What each layer may take from outside, beside the standard library. The machines know neither a clock nor a loop.
OUTSIDE: dict[str, set[str]] = {
    'errors': {'pydantic_ai'},
    'core': {'regex', 'typing_extensions'},
    'partials': {'pydantic', 'pydantic_core', 'pydantic_ai', 'typing_extensions'},
    'reduce': {'pydantic', 'pydantic_core', 'pydantic_ai', 'typing_extensions'},
    'aio': {'anyio', 'typing_extensions'},
    'run': {'pydantic_ai'},
    'capabilities': {'pydantic_core', 'pydantic_ai'},
    'databases': {'redis'},
    'chat': {'pydantic_ai'},
    'integrations': {'mlflow', 'opentelemetry', 'pydantic_ai', 'pydantic_core'},
    'logs': {'redis'},
    'serve': {'dbos', 'pydantic', 'pydantic_ai', 'pydantic_core', 'starlette'},
    'stores': {'psycopg', 'psycopg_pool', 'pydantic', 'pydantic_core', 'pydantic_ai', 'redis'},
}
CLOCKS = {'asyncio', 'time', 'threading', 'datetime', 'random', 'anyio', 'contextvars'}
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
SCOPES = {'timeout', 'timeout_at', 'fail_after', 'move_on_after', 'CancelScope', 'TaskGroup', 'create_task_group'}


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    tree: ast.Module

    @property
    def layer(self) -> str:
        parts = self.path.relative_to(ROOT).with_suffix('').parts
        return parts[0]


def modules() -> list[Module]:
    found: list[Module] = []
    for path in sorted(ROOT.rglob('*.py')):
        parts = path.relative_to(ROOT.parent).with_suffix('').parts
        name = '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)
        found.append(Module(name, path, ast.parse(path.read_text('utf-8'))))
    return found


MODULES = modules()
NAMES = {module.name for module in MODULES}


def imports(module: Module, *, at_import: bool = False) -> Iterator[str]:
    """Absolute names of the modules that a module imports; with `at_import` only those that run when it is loaded."""
    package = module.name if module.path.name == '__init__.py' else module.name.rpartition('.')[0]
    for node in top_level(module.tree) if at_import else ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                above = package.split('.')[: len(package.split('.')) - node.level + 1]
                base = '.'.join([*above, base] if base else above)
            for alias in node.names:
                submodule = f'{base}.{alias.name}'
                yield submodule if submodule in NAMES else base


def top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run on import, without those under `if TYPE_CHECKING`."""
    for node in tree.body:
        if isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(node.test):
            continue
        yield node


def ids(module: Module) -> str:
    return module.name.removeprefix(f'{PACKAGE}.')


every_module = pytest.mark.parametrize('module', MODULES, ids=ids)


@every_module
def test_imports_point_inwards_only(module: Module) -> None:
    allowed = LAYERS[module.layer] | {module.layer}
    for name in imports(module):
        if name == PACKAGE:
            pytest.fail(f'{module.name} imports the package root')
        if name.startswith(f'{PACKAGE}.'):
            layer = name.split('.')[1]
            assert layer in allowed, f'{module.name} ({module.layer}) imports {name} ({layer})'


@every_module
def test_layers_take_only_what_they_may_from_outside(module: Module) -> None:
    if module.layer not in OUTSIDE:
        return
    for name in imports(module):
        top = name.split('.')[0]
        if top == PACKAGE:
            continue
        if top in sys.stdlib_module_names:
            is_pure = module.layer in ('core', 'partials', 'reduce')
            assert not (is_pure and top in CLOCKS), f'{module.name} imports {name}'
        else:
            assert top in OUTSIDE[module.layer], f'{module.name} imports {name}'


def test_no_import_cycles() -> None:
    graph = {m.name: {n for n in imports(m, at_import=True) if n in NAMES and n != m.name} for m in MODULES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            pytest.fail('import cycle: ' + ' -> '.join([*path[path.index(name) :], name]))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@every_module
def test_a_module_is_one_subject_and_a_function_fits_on_a_screen(module: Module) -> None:
    lines = len(module.path.read_text('utf-8').splitlines())
    assert lines <= MAX_MODULE_LINES, f'{module.name} has {lines} lines: is it two subjects?'
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = node.body[0] if ast.get_docstring(node, clean=False) else None
            written = (docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0
            length = (node.end_lineno or 0) - node.lineno + 1 - written
            assert length <= MAX_FUNCTION_LINES, f'{module.name}.{node.name} has {length} lines'


ALLOWED_AT_IMPORT = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
)


@every_module
def test_nothing_happens_at_import(module: Module) -> None:
    for node in top_level(module.tree):
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        guard = isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        assert isinstance(node, ALLOWED_AT_IMPORT) or is_docstring or guard, (
            f'{module.path.name}:{node.lineno} runs on import: {ast.unparse(node)[:60]}'
        )


@every_module
def test_a_handler_of_the_program_that_raises_ends_nothing(module: Module) -> None:
    """A logger of `logging` hands on what a handler raises, to whoever tells it; that of `told_to` does not."""
    if ids(module) in {'core.telling', 'course.web'}:  # the second only listens
        return
    assert 'getLogger' not in {node.attr for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}


def test_importing_the_package_starts_nothing_and_loads_nothing_optional() -> None:
    code = (
        f'import sys, threading, {PACKAGE}\n'
        'heavy = {"rich", "openai", "anthropic", "groq", "google.genai", "mlflow", "starlette", "pytest"}\n'
        'heavy |= {"psycopg", "redis", "sqlite3", "uvicorn", "IPython", "markdown_it", "marimo"}\n'
        'print(sorted(heavy & set(sys.modules)), threading.active_count())'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ('[] 1\n', '')


def decorators(node: ast.AsyncFunctionDef | ast.FunctionDef) -> set[str]:
    return {ast.unparse(d).rpartition('.')[2] for d in node.decorator_list}


@every_module
def test_no_yield_inside_a_scope(module: Module) -> None:
    """PEP 789: a generator that is suspended inside a scope lets the scope act on somebody else's task."""
    for function in ast.walk(module.tree):
        if not isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef):
            continue
        if decorators(function) & {'asynccontextmanager', 'contextmanager', 'fixture'}:
            continue
        for node in ast.walk(function):
            scope = isinstance(node, ast.AsyncWith) or (
                isinstance(node, ast.With) and any(s in ast.unparse(i.context_expr) for i in node.items for s in SCOPES)
            )
            if scope:
                for inner in ast.walk(node):
                    assert not isinstance(inner, ast.Yield | ast.YieldFrom), (
                        f'{module.path.name}:{inner.lineno} yields inside a scope in {function.name}'
                    )


def public_modules() -> list[ModuleType]:
    return [importlib.import_module(m.name) for m in MODULES if not ids(m).rpartition('.')[2].startswith('_')]


def test_every_module_names_what_is_public() -> None:
    for module in public_modules():
        names = getattr(module, '__all__', None)
        assert names is not None, f'{module.__name__} has no __all__'
        assert len(set(names)) == len(names)
        for name in names:
            assert hasattr(module, name), f'{module.__name__}.__all__ names {name}, which does not exist'


def test_the_package_exports_only_what_a_module_makes_public() -> None:
    package = importlib.import_module(PACKAGE)
    offered: set[str] = set()
    for module in public_modules():
        if module is not package:
            offered |= set(module.__all__)
    assert set(package.__all__) - offered == set()


def test_every_public_name_is_documented() -> None:
    for module in public_modules():
        assert module.__doc__, f'{module.__name__} has no docstring'
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                text = inspect.getdoc(value) or ''
                assert len(text) > 20, f'{module.__name__}.{name} has no docstring of its own'
