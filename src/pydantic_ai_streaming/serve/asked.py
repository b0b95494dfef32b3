"""What a request asks for: `Asked`, read from the bodies that clients of each kind send."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, cast
from urllib.parse import quote

from pydantic import ValidationError
from pydantic_ai.agent import WrapperAgent
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, UserPromptPart
from starlette.requests import ClientDisconnect, HTTPConnection, Request

from ..core.telling import told_to
from ..logs.heads import is_name
from .client_tools import refuse_taken
from .event_ids import single
from .limits import BODY_WITHIN, Unfinished, declared
from .refused import LATER, Refused
from .wire import AG_UI, AI_SDK

if TYPE_CHECKING:
    from pydantic_ai.agent import AbstractAgent
    from pydantic_ai.tools import DeferredToolResults
    from pydantic_ai.ui import UIAdapter

__all__ = ['Asked', 'asked_in_json', 'asked_of_ui', 'body_of']

logger = told_to(__name__)

ADAPTERS = {AI_SDK: ('pydantic_ai.ui.vercel_ai', 'VercelAIAdapter'), AG_UI: ('pydantic_ai.ui.ag_ui', 'AGUIAdapter')}

LONGEST_CHAT = 1024
"""Characters of the name of a chat, at most."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request for a run.

    Attributes:
        request: The request, or the WebSocket: for its headers, its address and its user. Its body is read.
        owner: Who asks, as `authorize` has said.
        prompt: The text of the last message; empty if that has none.
        chat_id: The conversation, as the client names it; `None` if it names none. Others may name theirs the same: in
            a store it has the name `conversation`.
        run_id: What a client of AG-UI calls this run; `None` for others.
        message_id: The message of the assistant that the answer goes on with, as `useChat` does after an approval;
            `None` where it begins one.
        regenerate: Whether the last answer is to be made anew, as `regenerate()` of `useChat` asks.
        options: For `agent.run_stream_events(**asked.options)`: the prompt or the history, tools of the client, results
            of tools that have waited for them, and so on.
        key: What the client calls this request, so that it starts nothing when it comes again: its `Idempotency-Key`,
            or the `"key"` of a message over the WebSocket; `None` if it has none.
        digest: Of what is asked for, if it has a key: another request has another one.
    """

    request: HTTPConnection
    owner: str | None = None
    prompt: str = ''
    chat_id: str | None = None
    run_id: str | None = None
    message_id: str | None = None
    regenerate: bool = False
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    key: str | None = None
    digest: str = ''

    @property
    def conversation(self) -> str | None:
        """What a store may call the conversation: the chat of this owner, and nobody else's; `None` without a chat.

        A client may name any chat. Under `chat_id` alone it would be let into those of others.

        Example:
            >>> from starlette.requests import Request
            >>> request = Request({'type': 'http'})
            >>> Asked(request=request, owner='ann', chat_id='trip').conversation
            'ann/trip'
            >>> Asked(request=request, owner='ann/trip', chat_id='2').conversation
            'ann%2Ftrip/2'
        """
        if self.chat_id is None:
            return None
        return f'{"" if self.owner is None else quote(self.owner, safe="")}/{self.chat_id}'


async def body_of(request: Request, limit: int, unfinished: Unfinished) -> bytes:
    """The body of a request, of so many bytes at most. Raises `Refused`."""
    too_large = Refused(413, 'too_large', f'The body is to have {limit} bytes at most.')
    whole = declared(request.headers)
    if whole is not None and whole > limit:
        raise too_large
    body = bytearray()  # bytes would be copied with each piece, and a client may send them one by one
    try:
        with unfinished.one() as part:
            async with asyncio.timeout(BODY_WITHIN):
                async for piece in request.stream():
                    body += piece
                    if len(body) > limit:
                        raise too_large
                    # One that is whole waits for nothing: where others take all the room, short ones go through.
                    if len(body) != whole and not part.fits(len(body)):
                        raise Refused(503, 'busy', 'As much of other bodies is kept as can.', headers=LATER)
    except ClientDisconnect:
        raise Refused(400, 'malformed', 'The body did not come whole.') from None
    except TimeoutError:
        message = f'The body is to come within {BODY_WITHIN:.0f} seconds.'
        raise Refused(408, 'too_slow', message, headers={'connection': 'close'}) from None
    return bytes(body)


def asked_in_json(text: bytes | str, request: HTTPConnection, owner: str | None, *, longest: int) -> Asked:
    """`{"prompt": "...", "chat": "..."}`, over a WebSocket with `"key"`. Raises `Refused`."""
    try:
        fields: Any = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    match fields:
        case {'prompt': str(prompt)} if prompt and is_name(prompt):
            chat: Any = cast('Mapping[str, Any]', fields).get('chat')
            if chat is not None and not isinstance(chat, str):
                raise Refused(400, 'malformed', '"chat" is to be a string.')
            _refuse_chat(chat)
            _refuse_long(prompt, longest)
            key = _key(request, cast('Mapping[str, Any]', fields))
            return Asked(
                request=request,
                owner=owner,
                prompt=prompt,
                chat_id=chat,
                options={'user_prompt': prompt},
                key=key,
                digest='' if key is None else _digest(json.dumps([prompt, chat]).encode()),
            )
        case _:
            raise Refused(400, 'malformed', 'Send JSON: {"prompt": "..."}.')


async def asked_of_ui(
    name: str,
    body: bytes,
    request: HTTPConnection,
    owner: str | None,
    *,
    agent: AbstractAgent[Any, Any],
    longest: int,
    settings: Mapping[str, Any],
) -> Asked:
    """What a client of a protocol of user interfaces sends, read by pydantic-ai's own adapter. Raises `Refused`."""
    module, adapter_name = ADAPTERS[name]
    adapter_type: type[UIAdapter[Any, Any, Any, Any, Any]] = getattr(import_module(module), adapter_name)
    try:
        run_input = adapter_type.build_run_input(body)
    except ValidationError as error:
        message = f'The body is not what a client of {name} sends: {_missing(error)}.'
        raise Refused(400, 'malformed', message) from None
    message_id = _message_id(run_input)
    if message_id is None:
        # Approvals that stand in earlier messages were answered there, or given up with a new prompt.
        settings = {name: value for name, value in settings.items() if name != 'sdk_version'}
    adapter = adapter_type(agent=_Captured.of(agent), run_input=run_input, **settings)
    options = await _options(_events_of(adapter))
    if message_id is not None:
        _keep_last_answers(options)
    _refuse_nothing(options)
    refuse_taken(adapter.toolset, agent)
    prompt = _prompt(options.get('message_history') or ())
    _refuse_long(prompt, longest)
    _refuse_chat(chat := _chat_id(run_input))
    _refuse_chat(run_id := getattr(run_input, 'run_id', None), what='run')
    _refuse_chat(message_id, what='message')
    key = _key(request, {})
    return Asked(
        request=request,
        owner=owner,
        prompt=prompt,
        chat_id=chat,
        run_id=run_id,
        message_id=message_id,
        regenerate=getattr(run_input, 'trigger', None) == 'regenerate-message',
        options=options,
        key=key,
        digest='' if key is None else _digest(body),
    )


def _key(request: HTTPConnection, message: Mapping[str, Any]) -> str | None:
    # A WebSocket has one handshake for all its prompts, so each has a key of its own.
    key: Any
    if request.scope['type'] == 'websocket':
        key = message.get('key')
    else:
        keys = request.headers.getlist('idempotency-key')
        key = single(keys) if keys else None
    if key is not None and not (isinstance(key, str) and key):
        raise Refused(400, 'malformed', 'A key is to be a text that is not empty.')
    return key


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _refuse_long(prompt: str, longest: int) -> None:
    if len(prompt) > longest:
        raise Refused(413, 'too_long', f'The prompt is to have {longest} characters at most.')


def _refuse_nothing(options: Mapping[str, Any]) -> None:
    """Refuse what the run would fail for at once: there is no message, or an answer to what has not been asked."""
    if 'conversation' in options:
        return
    messages: Sequence[ModelMessage] = options.get('message_history') or ()
    if not messages:
        raise Refused(400, 'malformed', 'There is no message to answer.')
    results: DeferredToolResults | None = options.get('deferred_tool_results')
    if results is not None and not _waiting(messages) >= results.approvals.keys() | results.calls.keys():
        raise Refused(400, 'malformed', 'There is an answer for a tool call that is not in the last message.')


def _waiting(messages: Sequence[ModelMessage]) -> set[str]:
    """The calls of the last response."""
    for message in reversed(messages):
        if isinstance(message, ModelResponse):
            return {call.tool_call_id for call in message.tool_calls}
    return set()


def _keep_last_answers(options: dict[str, Any]) -> None:
    """Leave out approvals of earlier responses: the AI SDK sends them for as long as their call has no result."""
    results: DeferredToolResults | None = options.pop('deferred_tool_results', None)
    if results is not None:
        waiting = _waiting(options.get('message_history') or ())
        if approvals := {call: answer for call, answer in results.approvals.items() if call in waiting}:
            options['deferred_tool_results'] = replace(results, approvals=approvals)


def _missing(error: ValidationError) -> str:
    """What is wrong with a body, without what is in it: the first of it, as a client sends one body for all."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = '.'.join(map(str, first['loc']))
    return f'{place}: {first["msg"]}' if place else first['msg']


def _refuse_chat(chat: str | None, *, what: str = 'chat') -> None:
    # It is kept with the stream, and written again with each of its changes.
    if chat is not None and not (len(chat) <= LONGEST_CHAT and is_name(chat)):
        raise Refused(400, 'malformed', f'The name of a {what} is a text of {LONGEST_CHAT} characters at most.')


def _chat_id(run_input: Any) -> str | None:
    return getattr(run_input, 'thread_id', None) or getattr(run_input, 'id', None)


def _message_id(run_input: Any) -> str | None:
    """The message of the assistant that `useChat` goes on with. AG-UI has runs in place of that."""
    last = run_input.messages[-1] if run_input.messages else None
    if getattr(run_input, 'trigger', None) != 'submit-message' or getattr(last, 'role', None) != 'assistant':
        return None
    return getattr(last, 'id', None) or None


def _prompt(messages: Any) -> str:
    last: ModelMessage | None = messages[-1] if messages else None
    if not isinstance(last, ModelRequest):
        return ''
    texts: list[str] = []
    for part in last.parts:
        if isinstance(part, UserPromptPart):
            pieces = [part.content] if isinstance(part.content, str) else part.content
            texts += [one for one in pieces if isinstance(one, str)]
    return '\n'.join(texts)


def _events_of(adapter: UIAdapter[Any, Any, Any, Any, Any]) -> AsyncIterator[Any]:
    try:
        return adapter.run_stream_native()
    except (ValueError, AssertionError):
        # It loads the messages here, and fails in its own ways for parts that are valid each, but not where they are:
        # a result without its call, a file that is no Base64, arguments that are a list.
        logger.info('A request was not understood', exc_info=True)
        raise Refused(400, 'malformed', 'There is a message that cannot be read.') from None


class _Call(Exception):
    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options


class _Captured(WrapperAgent[Any, Any]):
    """An agent that is not run: the adapter prepares the call, and the program makes it."""

    @classmethod
    def of(cls, agent: AbstractAgent[Any, Any]) -> _Captured:
        return cls(agent)

    def run_stream_events(self, *args: Any, **options: Any) -> NoReturn:
        raise _Call(options)


async def _options(events: AsyncIterator[Any]) -> dict[str, Any]:
    try:
        await anext(events)
    except _Call as call:
        return {name: value for name, value in call.options.items() if value is not None}
    except UserError as error:
        # Of a request that pydantic-ai refuses: an approval of what does not wait for one, a message nobody knows.
        logger.info('A request was refused: %s', error)
        raise Refused(400, 'refused', 'What the client sends does not fit the conversation.') from None
    raise AssertionError('the adapter has not asked the agent')
