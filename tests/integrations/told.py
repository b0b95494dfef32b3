"""What a client sees of a response: its texts, as one that joins deltas shows them, and as one that waits for ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

ASK = {'input': [{'role': 'user', 'content': 'When does it sail?'}]}


def deltas(events: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The texts of items, from their deltas."""
    texts: dict[str, str] = {}
    for event in events:
        if event['type'] == 'response.output_text.delta':
            texts[event['item_id']] = texts.get(event['item_id'], '') + event['delta']
    return texts


def ends(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items that have ended."""
    return [event['item'] for event in events if event['type'] == 'response.output_item.done']


def texts(items: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The texts of items that have ended."""
    return {item['id']: item['content'][0]['text'] for item in items if item['type'] == 'message'}


def retracted(events: Iterable[dict[str, Any]]) -> list[str]:
    """The ids of items that were taken back."""
    named: list[str] = []
    for event in events:
        named += event.get('custom_outputs', {}).get('retracted', [])
    return named
