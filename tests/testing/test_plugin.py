"""The pytest plugin, from the outside: small projects that pytest runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ['pytester']

INI = """
[pytest]
asyncio_mode = {mode}
asyncio_default_fixture_loop_scope = function
filterwarnings = error
addopts = --strict-markers -p no:cacheprovider -p pytest_asyncio.plugin -p pydantic_ai_streaming.testing.plugin
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv('PYTEST_DISABLE_PLUGIN_AUTOLOAD', '1')  # the other plugins of this machine cost a second each
    pytester.makeini(INI.format(mode='auto'))
    return pytester


def run(project: pytest.Pytester, source: str) -> pytest.RunResult:
    project.makepyfile(source)
    return project.runpytest_inprocess()


def test_an_hour_passes_at_once_by_fixture_and_by_marker(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
        import asyncio, pytest

        @pytest.fixture
        async def started():
            return asyncio.get_running_loop().time()

        async def test_fixture(virtual_time, started):
            assert virtual_time.now == started == 0
            await asyncio.sleep(3600)
            assert virtual_time.now == 3600

        @pytest.mark.virtual_time(limit=10_000)
        @pytest.mark.parametrize('hours', [1, 2, pytest.param(3, marks=pytest.mark.xfail)])
        async def test_marker(hours):
            await asyncio.sleep(3600 * hours)

        async def test_real_time():
            assert type(asyncio.get_running_loop()).__name__ != 'VirtualTimeLoop'
        """,
    )
    result.assert_outcomes(passed=4, xfailed=1)


def test_asynchronous_fixtures_share_the_virtual_loop_and_clean_up_on_it(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
        import asyncio, pytest
        pytestmark = pytest.mark.virtual_time

        @pytest.fixture
        async def server():
            task = asyncio.create_task(asyncio.sleep(10_000))
            yield task
            await asyncio.sleep(500)
            task.cancel()

        async def test_it(server):
            await asyncio.sleep(100)
            assert server.get_loop() is asyncio.get_running_loop()

        def test_synchronous(): ...
        """,
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    'test', ['def test_it(virtual_time): ...', 'import pytest\n@pytest.mark.virtual_time\ndef test_it(): ...']
)
def test_a_synchronous_test_cannot_ask_for_virtual_time(project: pytest.Pytester, test: str) -> None:
    result = run(project, test)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['*test_it asks for virtual_time, but pytest-asyncio does not run it: it must be*'])


def test_strict_mode_works_with_the_asyncio_marker(project: pytest.Pytester) -> None:
    project.makeini(INI.format(mode='strict'))
    result = run(
        project,
        """
        import asyncio, pytest

        @pytest.mark.asyncio
        async def test_it(virtual_time, no_task_left):
            await asyncio.sleep(3600)
        """,
    )
    result.assert_outcomes(passed=1)


def test_virtual_time_goes_before_a_projects_own_loops(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        import asyncio
        def pytest_asyncio_loop_factories(config, item):
            return {'own': asyncio.SelectorEventLoop}
        """
    )
    result = run(
        project,
        """
        import asyncio
        async def test_virtual(virtual_time):
            await asyncio.sleep(3600)
        async def test_own():
            assert type(asyncio.get_running_loop()).__name__ != 'VirtualTimeLoop'
        """,
    )
    result.assert_outcomes(passed=2)


def test_a_deadlock_fails_the_test_and_not_the_ones_after_it(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
        import asyncio
        async def test_dead(virtual_time):
            await asyncio.Event().wait()
        async def test_alive(virtual_time):
            await asyncio.sleep(1)
        """,
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(['*DeadlockError: Nothing can happen any more*', '*in test_dead'])


LEAVES = """
    import asyncio, pytest

    async def forever():
        await asyncio.Event().wait()

    {marker}
    async def test_leaves({fixture}):
        task = asyncio.create_task(forever(), name='the forgotten one')
        await asyncio.sleep(0)
        globals()['kept'] = task
"""


@pytest.mark.parametrize(
    ('marker', 'fixture'), [('', 'no_task_left'), ('@pytest.mark.no_task_left', ''), ('', 'virtual_time, no_task_left')]
)
def test_a_task_left_behind_fails_with_its_name_and_place(project: pytest.Pytester, marker: str, fixture: str) -> None:
    result = run(project, LEAVES.format(marker=marker, fixture=fixture))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ['The test has returned and left 1 task behind.*', 'the forgotten one', '*:4 in forever', '*in Event.wait']
    )


def test_without_asking_a_task_may_be_left(project: pytest.Pytester) -> None:
    run(project, LEAVES.format(marker='', fixture='')).assert_outcomes(passed=1)


def test_for_a_whole_project_one_autouse_fixture_is_enough(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        import pytest
        @pytest.fixture(autouse=True)
        def every_test_ends_its_tasks(no_task_left): ...
        """
    )
    source = LEAVES.format(marker='', fixture='') + '\n    def test_synchronous(): ...\n'
    run(project, source).assert_outcomes(failed=1, passed=1)


def test_cancelled_tasks_and_tasks_of_fixtures_are_not_left_behind(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
        import asyncio, pytest

        @pytest.fixture
        async def server():
            task = asyncio.create_task(asyncio.sleep(100))
            yield
            task.cancel()

        async def slow_to_end():
            try:
                await asyncio.sleep(100)
            finally:
                for _ in range(5):
                    await asyncio.sleep(0)

        async def test_it(server, no_task_left):
            task = asyncio.create_task(slow_to_end())
            await asyncio.sleep(0)
            task.cancel()
        """,
    )
    result.assert_outcomes(passed=1)


def test_a_failing_test_shows_its_own_failure(project: pytest.Pytester) -> None:
    source = LEAVES.format(marker='', fixture='no_task_left') + "        assert False, 'its own failure'\n"
    result = run(project, source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*its own failure*'])
    result.stdout.no_fnmatch_line('*has returned and left*')


def test_the_plugin_loads_neither_pydantic_ai_nor_the_models() -> None:
    code = (
        'import sys, pydantic_ai_streaming.testing.plugin\n'
        'print(sorted(n for n in sys.modules if n.split(".")[0] in ("pydantic", "pydantic_ai", "anyio")))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ('[]\n', '')
