"""Real models by their names, and what goes wrong with them, in sentences that say what to do."""

from __future__ import annotations

import re

from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelNotFoundError,
    UsageLimitExceeded,
    UserError,
)
from pydantic_ai.models import Model, infer_model

from ..errors import StreamingError

__all__ = ['ModelUnavailableError', 'find_model', 'sentence']

EXTRA = ('openai', 'anthropic', 'google', 'groq')
"""The providers of our own extra."""


class ModelUnavailableError(Exception):
    """There is no model of that name here. The message says what to do."""


def find_model(name: str) -> Model:
    """The model of a name as pydantic-ai writes it, such as `openai:gpt-5`.

    Raises:
        ModelUnavailableError: The name is unknown, or its package or its API key is missing.
    """
    try:
        return infer_model(name)
    except ImportError as error:
        raise ModelUnavailableError(_missing_package(name, error)) from error
    except UserError as error:
        raise ModelUnavailableError(_misconfigured(name, str(error))) from error


def sentence(error: AgentRunError | StreamingError, name: str) -> str:
    """What a failed run of a model means to the person who asked for it."""
    match error:
        case ModelAuthenticationError():
            return f'{name}: the provider does not accept the API key.'
        case ModelNotFoundError():
            return f'{name}: the provider knows no such model, or not for this API key.'
        case ModelConnectionError():
            return f'{name}: no connection to the provider ({str(error).rstrip(".")}). Is the network there?'
        case UsageLimitExceeded():
            return f'{name}: stopped at a limit that the demo sets: {str(error).partition(". ")[0]}.'
        case ModelAPIError() | StreamingError():
            return f'{name}: {error}'
        case _:
            return f'{name}: {type(error).__name__}: {error}'


def _missing_package(name: str, error: ImportError) -> str:
    found = re.search(r'pydantic-ai-slim\[([\w-]+)\]', str(error))
    if found is None:
        return f'{name}: {error}'
    extra = found.group(1)
    package = 'pydantic-ai-streaming[providers]' if extra in EXTRA else f'pydantic-ai-slim[{extra}]'
    return f"{name} needs a package that is not installed: pip install '{package}'"


def _misconfigured(name: str, reason: str) -> str:
    variable = re.search(r'`([A-Z][A-Z0-9_]*KEY)`', reason)
    if variable is not None:
        return f'{name} needs an API key: set {variable.group(1)} in the environment.'
    if reason.startswith('Unknown model'):
        return f'{reason.rstrip(".")}{"" if reason.endswith("?") else "."} A name is written provider:model.'
    return f'{name}: {reason}'
