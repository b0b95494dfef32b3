"""Capabilities as values: equal if their settings are, copied whole, and refused by an agent's spec with a reason."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability

from pydantic_ai_streaming import Deadlines, Recovery, Smoothing
from pydantic_ai_streaming.capabilities import PartialOutputs, SmoothText, StreamGuard, ToolTimeline
from pydantic_ai_streaming.testing import ScriptedModel

MOUNTED: list[AbstractCapability[Any]] = [
    SmoothText(Smoothing(by='line')),
    PartialOutputs(every=1, patches=True),
    ToolTimeline(),
    StreamGuard(Deadlines(idle=3), recovery=Recovery(by='restart')),
]


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize('copied', [pickled, copy.copy, copy.deepcopy, replace])
@pytest.mark.parametrize('mounted', MOUNTED, ids=lambda one: type(one).__name__)
async def test_a_copy_is_equal_after_a_run_too(mounted: AbstractCapability[Any], copied: Callable[[Any], Any]) -> None:
    model = ScriptedModel('Yes.', loop=True)
    await Agent(model, capabilities=[mounted]).run('Go')
    twin = copied(mounted)
    assert (twin, repr(twin)) == (mounted, repr(mounted))
    assert (await Agent(model, capabilities=[twin]).run('Go')).output == 'Yes.'


def test_other_settings_make_another_guard() -> None:
    assert StreamGuard(Deadlines(idle=3)) != StreamGuard(Deadlines(idle=4))
    assert StreamGuard(recovery=Recovery(by='restart')) != StreamGuard(recovery=Recovery(by='continue'))
    assert StreamGuard(on_truncation='mark') != StreamGuard()


@pytest.mark.parametrize(
    ('spec', 'reason'),
    [
        ({'StreamGuard': 15}, r"deadlines=15 is no mapping: use one such as {'idle': 15}"),
        ({'StreamGuard': {'recovery': 'restart'}}, r"recovery='restart' is no mapping: use one such as {'by':"),
        ({'StreamGuard': {'deadlines': {'idle': '15'}}}, r"Deadlines\(idle='15'\): give a number of seconds"),
        ({'PartialOutputs': {'patches': 'no'}}, r"patches='no': use True or False"),
        ({'PartialOutputs': {'every': '0.5'}}, r"every='0.5' is not a number"),
        ({'SmoothText': {'by': 'page'}}, r"by='page' is no unit of text"),
    ],
)
def test_a_spec_with_a_wrong_setting_says_what_to_write(spec: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Agent.from_spec(
            {'model': 'test', 'capabilities': [spec]},
            custom_capability_types=[SmoothText, PartialOutputs, ToolTimeline, StreamGuard],
        )
