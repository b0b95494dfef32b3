"""What a request of the Responses API has as its input, as a message history of pydantic-ai: `conversation_of`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic_ai.messages import (
    BinaryContent,
    DocumentUrl,
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
    repair_messages,
)

__all__ = ['AskedConversation', 'conversation_of']

Item: TypeAlias = Mapping[str, Any]

PASSED_OVER = frozenset({'reasoning', 'file_search_call', 'computer_call', 'web_search_call'})
"""Items that no model can be told of again: thoughts in summary, without the signature of who thought them, and what a
provider's own tools have done."""

TEXTS = frozenset({'input_text', 'output_text', 'text'})
SCHEMES = ('https://', 'http://')


@dataclass(frozen=True, kw_only=True)
class AskedConversation:
    """What a client says that was said.

    Attributes:
        messages: The history. Its last message is the one to be answered.
        instructions: What the client has said as `system` or `developer`.
    """

    messages: list[ModelMessage]
    instructions: list[str]


def conversation_of(items: Iterable[Item] | str) -> AskedConversation:
    """Read the `input` of a request: messages of all roles, function calls and what came of them.

    Calls without a result get one that says so, as providers refuse them otherwise. Reasoning and the calls of
    a provider's own tools are passed over. The client keeps the history, so it is the client's word and nothing more.

    Args:
        items: The items, each as a dict; or the text of a message of the user.

    Raises:
        ValueError: There is nothing to answer, an item is of a kind that is unknown, a result has no call, or a picture
            or a file is neither in the message nor at an address of the web.

    Example:
        >>> asked = conversation_of([
        ...     {'role': 'system', 'content': 'Be brief.'},
        ...     {'role': 'user', 'content': [{'type': 'input_text', 'text': 'When does it sail?'}]},
        ... ])
        >>> asked.instructions, [message.kind for message in asked.messages]
        (['Be brief.'], ['request'])
    """
    history = _History()
    for item in [{'role': 'user', 'content': items}] if isinstance(items, str) else items:
        history.add(item)
    return AskedConversation(messages=history.messages(), instructions=history.instructions)


class _History:
    """Gathers parts into messages: what the model said in a row is one response, all else in a row one request."""

    def __init__(self) -> None:
        self.instructions: list[str] = []
        self._said: list[list[ModelRequestPart] | list[ModelResponsePart]] = []
        self._is_response: list[bool] = []
        self._tools: dict[str, str] = {}

    def add(self, item: Item) -> None:
        kind = item.get('type') or 'message'
        if kind == 'message':
            self._message(item)
        elif kind == 'function_call':
            call_id, name = _named(item, 'call_id'), _named(item, 'name')
            self._tools[call_id] = name
            self._answered(ToolCallPart(name, item.get('arguments') or '{}', tool_call_id=call_id))
        elif kind == 'function_call_output':
            self._returned(item)
        elif kind not in PASSED_OVER:
            raise ValueError(f'The input has an item of type {kind!r}; use messages, function calls and their outputs.')

    def messages(self) -> list[ModelMessage]:
        if not self._is_response or self._is_response[-1]:
            # A run that begins with the model's calls would make them, whoever has written them.
            raise ValueError('The input is to end with a message of the user, or with the outputs of function calls.')
        return repair_messages(
            [
                ModelResponse(parts=parts) if is_response else ModelRequest(parts=parts)  # pyright: ignore[reportArgumentType] - as they were gathered
                for parts, is_response in zip(self._said, self._is_response, strict=True)
            ]
        )

    def _message(self, item: Item) -> None:
        role, content = item.get('role'), item.get('content') or ''
        if role == 'user':
            self._asked(UserPromptPart(_content(content)))
        elif role == 'assistant':
            for text in _texts(content):
                self._answered(TextPart(text))
        elif role in ('system', 'developer'):
            self.instructions += _texts(content)
        else:
            raise ValueError(f'There is a message of the role {role!r}: use user, assistant, system or developer.')

    def _returned(self, item: Item) -> None:
        call_id = _named(item, 'call_id')
        name = self._tools.get(call_id)
        if name is None:
            raise ValueError(f'There is an output for the call {call_id!r}, and no such function_call before it.')
        self._asked(ToolReturnPart(name, _content(item.get('output') or ''), tool_call_id=call_id))

    def _asked(self, part: ModelRequestPart) -> None:
        self._place(is_response=False).append(part)

    def _answered(self, part: ModelResponsePart) -> None:
        self._place(is_response=True).append(part)

    def _place(self, *, is_response: bool) -> list[Any]:
        if not self._is_response or self._is_response[-1] != is_response:
            self._said.append([])
            self._is_response.append(is_response)
        return self._said[-1]


def _named(item: Item, field: str) -> str:
    name = item.get(field)
    if not isinstance(name, str) or not name:
        raise ValueError(f'An item of type {item.get("type")!r} is to have a text as its {field!r}, and has {name!r}.')
    return name


def _texts(content: str | Sequence[Item]) -> list[str]:
    if isinstance(content, str):
        return [content] if content else []
    said = [part.get('refusal') if part.get('type') == 'refusal' else _text(part) for part in content]
    return [text for text in said if text]


def _text(part: Item) -> str:
    if part.get('type') not in TEXTS:
        raise ValueError(f'A part of type {part.get("type")!r} is not for this role: it can say text only.')
    return _named(part, 'text') if part.get('text') != '' else ''


def _content(content: str | Sequence[Item]) -> str | list[UserContent]:
    if isinstance(content, str):
        return content
    pieces = [_piece(part) for part in content]
    texts = [piece for piece in pieces if isinstance(piece, str)]
    return texts[0] if len(texts) == len(pieces) == 1 else pieces


def _piece(part: Item) -> UserContent:
    match part:
        case {'type': 'input_image', 'image_url': str(url)}:
            return BinaryContent.from_data_uri(url) if url.startswith('data:') else ImageUrl(_of_the_web(url))
        case {'type': 'input_file', 'file_data': str(data)}:
            return BinaryContent.from_data_uri(data)
        case {'type': 'input_file', 'file_url': str(url)}:
            return DocumentUrl(_of_the_web(url))
        case {'type': 'input_image' | 'input_file'}:
            raise ValueError('A picture or a file is to be in the message or at an address: files are not kept here.')
        case _:
            return _text(part)


def _of_the_web(url: str) -> str:
    # Providers read other addresses, such as gs://, with the rights of whoever asks them: of this server.
    if not url.lower().startswith(SCHEMES):
        raise ValueError(f'The address {url[:40]!r} is none of the web: use https:// or a data: URL.')
    return url
