"""Recognising a message that JSON has changed, and not taking another for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai import DeferredToolRequests
from pydantic_ai.conversation_store import ConversationEntry, ConversationRecord
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolCallPart, ToolReturnPart

from pydantic_ai_streaming import StoreError
from pydantic_ai_streaming.stores.encoding import decode_entries, encode_entry, encode_record, is_stored_as
from pydantic_ai_streaming.stores.journal import JournalledTurn, JournalRow, decode_turn, encode_turn
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


def nested(kind: type, many: int) -> Any:
    value: Any = 'in the middle'
    for _ in range(many):
        value = [value] if kind is list else {'in': value}
    return value


def journalled(message: ModelMessage) -> str:
    return encode_turn(JournalledTurn(conversation_id='c', turn_id='t', every=1, messages=[message]))


@pytest.mark.parametrize('many', range(150, 260, 5))
@pytest.mark.parametrize('kind', [list, dict])
def test_what_can_be_stored_can_be_read_again_however_deep_it_is(kind: type, many: int) -> None:
    message = returned(nested(kind, many))
    try:
        encoded = journalled(message)
    except StoreError:
        assert many > 180
    else:
        assert stored(message) == message
        assert decode_turn('c', JournalRow('t', encoded, 0, 0)).messages == [message]


@pytest.mark.parametrize('kind', [list, dict])
def test_what_is_too_deep_to_be_read_again_is_not_stored(kind: type) -> None:
    for encode in (stored, journalled):
        with pytest.raises(StoreError, match='could be read again') as caught:
            encode(returned(nested(kind, 220)))
        assert caught.value.reason == 'unstorable'


def test_a_number_that_cannot_be_read_again_is_not_stored() -> None:
    assert stored(returned(10**4299)) == returned(10**4299)
    with pytest.raises(StoreError, match='could be read again'):
        stored(returned(10**5000))


def test_a_deferred_call_that_cannot_be_read_again_is_not_stored() -> None:
    requests = DeferredToolRequests(calls=[ToolCallPart('pay', {'in': nested(list, 220)}, 'call')])
    record = ConversationRecord(conversation_id='c', head_id=None, deferred_tool_requests=requests)
    with pytest.raises(StoreError, match='cannot be stored') as caught:
        encode_record(record)
    assert caught.value.reason == 'unstorable'


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
