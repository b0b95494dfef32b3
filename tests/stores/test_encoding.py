"""Recognising a message that JSON has changed, and not taking another for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.conversation_store import ConversationEntry
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart

from pydantic_ai_streaming.stores.encoding import decode_entries, encode_entry, is_stored_as
from pydantic_ai_streaming.testing.conversation_store_messages import NOON, TOOL_VALUES, every_kind


def returned(value: Any) -> ModelMessage:
    return ModelRequest(parts=[ToolReturnPart('look', value, 'call', timestamp=NOON)])


def stored(message: ModelMessage) -> ModelMessage:
    return decode_entries([encode_entry(ConversationEntry(parent_id=None, message=message))])[0].message


@pytest.mark.parametrize('message', every_kind(), ids=lambda message: message.kind)
def test_messages_of_pydantic_ai_come_back_equal(message: ModelMessage) -> None:
    assert stored(message) == message


@pytest.mark.parametrize('name', TOOL_VALUES)
@pytest.mark.parametrize('other', TOOL_VALUES)
def test_a_message_is_recognised_and_no_other_taken_for_it(name: str, other: str) -> None:
    assert is_stored_as(returned(TOOL_VALUES[name]), stored(returned(TOOL_VALUES[other]))) == (name == other)


def test_a_set_is_recognised_in_any_order() -> None:
    # Equal sets of which each has its own order, as a copy may have.
    one, other = set(range(0, 24, 8)), set(range(16, -8, -8))
    assert one == other
    assert list(one) != list(other)
    assert is_stored_as(returned({'deep': [one]}), stored(returned({'deep': [other]})))
    assert is_stored_as(returned({(0, frozenset(one))}), stored(returned({(0, frozenset(other))})))
    assert not is_stored_as(returned({'deep': [one]}), stored(returned({'deep': [{0, 8, 17}]})))
    assert not is_stored_as(returned(one), stored(returned([0, 8, 8])))
    assert not is_stored_as(returned([8, 0, 16]), stored(returned([0, 8, 16])))


def test_a_message_that_differs_elsewhere_is_another() -> None:
    message = returned({1, 2})
    assert not is_stored_as(replace(message, instructions='Be brief.'), stored(message))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec='utf-8')) | st.binary()
HASHABLE = st.recursive(SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)
VALUES = st.recursive(
    SCALARS | st.sets(HASHABLE, max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text('abc'), inner),
    max_leaves=8,
)


@given(VALUES)
def test_whatever_a_tool_returns_is_recognised(value: Any) -> None:
    message = returned(value)
    once = stored(message)
    assert is_stored_as(message, once)
    assert is_stored_as(once, stored(once))
