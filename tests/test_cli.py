"""The command line: fast until something is needed, and errors that say what to do."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic_ai import models
from pydantic_ai.exceptions import ModelAuthenticationError, ModelHTTPError, ModelNotFoundError, UsageLimitExceeded

from pydantic_ai_streaming.cli import UNITS, main
from pydantic_ai_streaming.core.cutting import UNITS as CUTTING_UNITS
from pydantic_ai_streaming.demo.models import sentence


def test_help_and_version_do_not_wait_for_pydantic_ai() -> None:
    for arguments, begins in (
        (['--help'], 'usage: '),
        (['demo', '--help'], 'usage: '),
        (['--version'], 'pydantic-ai-'),
    ):
        code = (
            'import sys\n'
            'from pydantic_ai_streaming.cli import main\n'
            f'try: main({arguments!r})\n'
            'except SystemExit as error: assert error.code == 0\n'
            'assert not {"pydantic_ai", "rich", "asyncio"} & set(sys.modules)\n'
        )
        done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, '')
        assert done.stdout.startswith(begins)


def test_without_a_command_it_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert 'demo' in capsys.readouterr().out


def test_units_are_those_of_the_cutter() -> None:
    assert UNITS == CUTTING_UNITS


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--prompt', 'Why?'], '--prompt is a question to a model: name it with --model'),
        (['--model', 'x:y', '--fast'], '--speed and --fast play the script faster; a model takes its own time'),
        (['--speed', '0'], 'argument --speed: 0 is no factor above 0 and up to 20; --fast waits for nothing'),
        (['--speed', 'warp'], 'argument --speed: warp is no factor above 0 and up to 20; --fast waits for nothing'),
        (['--max-lag', '-1'], 'argument --max-lag: -1 is no number of seconds, 0 or more'),
        (['--max-lag', 'nan'], 'argument --max-lag: nan is no number of seconds, 0 or more'),
    ],
)
def test_arguments_that_are_wrong_are_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(['demo', *arguments])
    assert exit_.value.code == 2
    assert capsys.readouterr().err.endswith(f'error: {message}\n')


def run_model(name: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(['demo', '--model', name])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('gpt', 'Unknown model: gpt. A name is written provider:model.\n'),
        ('nobody:gpt', 'Unknown model: nobody:gpt. A name is written provider:model.\n'),
        ('openai:gpt-5', 'openai:gpt-5 needs an API key: set OPENAI_API_KEY in the environment.\n'),
        ('anthropic:claude', 'anthropic:claude needs an API key: set ANTHROPIC_API_KEY in the environment.\n'),
    ],
)
def test_a_model_that_cannot_be_had(
    name: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ('OPENAI_API_KEY', 'ANTHROPIC_API_KEY'):
        monkeypatch.delenv(variable, raising=False)
    assert run_model(name, capsys) == (2, message)


@pytest.mark.parametrize(
    ('provider', 'package'),
    [('groq', 'pydantic-ai-streaming[providers]'), ('mistral', 'pydantic-ai-slim[mistral]')],
)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    provider: str, package: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ('', 'models', 'providers'):
        monkeypatch.delitem(sys.modules, '.'.join(filter(None, ('pydantic_ai', name, provider))), raising=False)
    for name in [name for name in sys.modules if name.partition('.')[0] in (provider, f'{provider}ai')]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, provider, None)
    code, error = run_model(f'{provider}:some', capsys)
    assert (code, error) == (2, f"{provider}:some needs a package that is not installed: pip install '{package}'\n")


def test_no_network_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, 'ALLOW_MODEL_REQUESTS', True)
    monkeypatch.setenv('OPENAI_API_KEY', 'none')
    monkeypatch.setenv('OPENAI_BASE_URL', 'http://127.0.0.1:9/v1')
    code, error = run_model('openai:gpt-5', capsys)
    assert (code, error) == (
        1,
        'openai:gpt-5: no connection to the provider (Connection error). Is the network there?\n',
    )


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (
            ModelHTTPError.for_category(ModelAuthenticationError, status_code=401, model_name='x'),
            'x:y: the provider does not accept the API key.',
        ),
        (
            ModelHTTPError.for_category(ModelNotFoundError, status_code=404, model_name='x'),
            'x:y: the provider knows no such model, or not for this API key.',
        ),
        (UsageLimitExceeded('too much'), 'x:y: stopped at a limit that the demo sets: too much.'),
    ],
)
def test_what_a_provider_refuses_is_said_in_a_sentence(error: Any, message: str) -> None:
    assert sentence(error, 'x:y') == message
