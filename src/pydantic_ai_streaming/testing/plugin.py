"""The pytest plugin, found by its entry point: tests in virtual time, and tests that leave no task behind.

Both are off until a test asks for them, as a fixture or as a marker, and cost nothing until then: pydantic-ai and this
package's models are not imported here.
"""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial

import pytest

__all__ = ['VirtualTime', 'no_task_left', 'virtual_time']

# Turns of the loop in which tasks that were cancelled, or are about to return, may end before they count as left.
_GRACE_TURNS = 10


class VirtualTime:
    """What the `virtual_time` fixture gives to a test.

    Example:
        ```python
        import asyncio

        from pydantic_ai_streaming.testing.plugin import VirtualTime


        async def test_an_hour(virtual_time: VirtualTime) -> None:
            await asyncio.sleep(3600)
            assert virtual_time.now == 3600
        ```
    """

    @property
    def now(self) -> float:
        """Virtual seconds since the test's event loop was made."""
        return asyncio.get_running_loop().time()


@pytest.fixture
def virtual_time() -> VirtualTime:
    """Run this asynchronous test, and its asynchronous fixtures, on a `VirtualTimeLoop`.

    `@pytest.mark.virtual_time` does the same for a test, a class or a module (`pytestmark = pytest.mark.virtual_time`),
    and takes the settings of `VirtualTimeLoop`, such as `@pytest.mark.virtual_time(patience=60)`. The test must be
    `async def`. Needs pytest-asyncio 1.4 or later, whose hook `pytest_asyncio_loop_factories` chooses the loop.
    """
    return VirtualTime()


@pytest.fixture
def no_task_left() -> None:
    """Fail this asynchronous test if asyncio tasks that it started are still there when it has returned.

    `@pytest.mark.no_task_left` does the same for a test, a class or a module. For a whole project, write in its
    `conftest.py`:

    ```python
    import pytest


    @pytest.fixture(autouse=True)
    def every_test_ends_its_tasks(no_task_left: None) -> None: ...
    ```

    Tasks of fixtures do not count. A test that fails by itself is not checked.
    """


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line('markers', 'virtual_time: run the asynchronous test on a VirtualTimeLoop')
    config.addinivalue_line('markers', 'no_task_left: fail the asynchronous test if it leaves asyncio tasks behind')


@dataclass(eq=False)
class _VirtualLoops:
    """Answers pytest-asyncio's question for the loop of one test; registered only while that test is collected.

    A hook that stood always would choose the loop of every test of every project in which this package is installed.
    """

    settings: Mapping[str, float]
    asked: bool = False

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_asyncio_loop_factories(self) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
        from .virtual_time import VirtualTimeLoop

        self.asked = True
        return {'virtual_time': partial(VirtualTimeLoop, **self.settings)}


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None]:
    """Give the tests that ask for it a loop in virtual time."""
    if not _asks_for(metafunc.definition, 'virtual_time'):
        yield
        return
    marker = metafunc.definition.get_closest_marker('virtual_time')
    loops = _VirtualLoops(marker.kwargs if marker else {})
    metafunc.config.pluginmanager.register(loops)
    try:
        yield
    finally:
        metafunc.config.pluginmanager.unregister(loops)
    # A marker on a module or a class also stands on its synchronous tests, for which it means nothing; on one of them
    # it is a mistake.
    own = any(mark.name == 'virtual_time' for mark in getattr(metafunc.function, 'pytestmark', ()))
    is_meant = own or 'virtual_time' in metafunc.fixturenames or inspect.iscoroutinefunction(metafunc.function)
    if is_meant and not loops.asked:
        pytest.fail(
            f'{metafunc.definition.nodeid} asks for virtual_time, but pytest-asyncio does not run it: it must be an '
            '`async def` test that pytest-asyncio takes (asyncio_mode = "auto", or @pytest.mark.asyncio), with '
            'pytest-asyncio 1.4 or later.',
            pytrace=False,
        )


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Look for tasks left by the tests that ask for it, while their loop is still open."""
    is_async = pyfuncitem.get_closest_marker('asyncio') is not None
    if not (is_async and _asks_for(pyfuncitem, 'no_task_left')):
        return (yield)
    loop = _current_loop()
    before = asyncio.all_tasks(loop)
    result = yield
    loop.run_until_complete(_settle())
    left = {task for task in asyncio.all_tasks(loop) - before if not task.done()}
    if left:
        from .tasks import describe_tasks

        noun = 'task' if len(left) == 1 else 'tasks'
        pytest.fail(
            f'The test has returned and left {len(left)} {noun} behind. Await or cancel what a test starts. '
            f'They wait here:\n{describe_tasks(left)}',
            pytrace=False,
        )
    return result


async def _settle() -> None:
    for _ in range(_GRACE_TURNS):
        await asyncio.sleep(0)


def _current_loop() -> asyncio.AbstractEventLoop:
    """The loop that pytest-asyncio has set for this test, which does not run at this moment."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)
        return asyncio.get_event_loop()


def _asks_for(item: pytest.Function, name: str) -> bool:
    return item.get_closest_marker(name) is not None or name in item.fixturenames
