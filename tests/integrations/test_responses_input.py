"""What a client says that was said becomes a history that a model can be given, or is refused in words."""

from __future__ import annotations

from typing import Any

import pytest
from inline_snapshot import snapshot
from pydantic_ai.messages import BinaryContent, DocumentUrl, ImageUrl, ModelMessage, ModelResponse

from pydantic_ai_streaming.integrations.responses_input import conversation_of

PIXEL = 'data:image/png;base64,iVBORw0KGgo='
CALL = {'type': 'function_call', 'id': 'fc_1', 'call_id': 'c1', 'name': 'tide', 'arguments': '{"at": "quay"}'}
RESULT = {'type': 'function_call_output', 'call_id': 'c1', 'output': 'high'}
SAID = {'type': 'output_text', 'text': 'Let me look.'}
USER = {'role': 'user', 'content': 'When?'}


def told(messages: list[ModelMessage]) -> list[list[Any]]:
    def content(part: Any) -> Any:
        return part.args if part.part_kind == 'tool-call' else part.content

    return [[message.kind, *[(part.part_kind, content(part)) for part in message.parts]] for message in messages]


def test_all_roles_and_calls_come_in_the_order_in_which_they_were_said() -> None:
    asked = conversation_of(
        [
            {'role': 'system', 'content': 'Be brief.'},
            {'type': 'message', 'role': 'user', 'content': [{'type': 'input_text', 'text': 'When?'}]},
            {'type': 'reasoning', 'id': 'rs_1', 'summary': []},
            {
                'type': 'message',
                'id': 'm1',
                'role': 'assistant',
                'content': [{'type': 'output_text', 'text': 'Let me look.'}],
            },
            CALL,
            RESULT,
            {'role': 'assistant', 'content': 'At noon.'},
            {'role': 'developer', 'content': [{'type': 'input_text', 'text': 'Be kind.'}]},
            {'role': 'user', 'content': 'And later?'},
        ]
    )
    assert asked.instructions == ['Be brief.', 'Be kind.']
    assert told(asked.messages) == snapshot(
        [
            ['request', ('user-prompt', 'When?')],
            ['response', ('text', 'Let me look.'), ('tool-call', '{"at": "quay"}')],
            ['request', ('tool-return', 'high')],
            ['response', ('text', 'At noon.')],
            ['request', ('user-prompt', 'And later?')],
        ]
    )


def test_calls_side_by_side_are_one_response_and_their_outputs_one_request() -> None:
    other = [{**CALL, 'call_id': 'c2'}, {**RESULT, 'call_id': 'c2', 'output': [{'type': 'input_text', 'text': 'low'}]}]
    asked = conversation_of([USER, CALL, other[0], RESULT, other[1]])
    assert told(asked.messages)[1:] == snapshot(
        [
            ['response', ('tool-call', '{"at": "quay"}'), ('tool-call', '{"at": "quay"}')],
            ['request', ('tool-return', 'high'), ('tool-return', 'low')],
        ]
    )


def test_a_call_that_nobody_answered_is_closed_as_providers_refuse_it_otherwise() -> None:
    asked = conversation_of([USER, CALL, {'role': 'user', 'content': 'Never mind. And the wind?'}])
    response, request = asked.messages[1:]
    assert isinstance(response, ModelResponse)
    assert [part.part_kind for part in request.parts] == ['tool-return', 'user-prompt']


def test_pictures_and_files_come_with_the_prompt() -> None:
    content = [
        {'type': 'input_text', 'text': 'What is on these?'},
        {'type': 'input_image', 'image_url': PIXEL},
        {'type': 'input_image', 'image_url': 'https://pictures.example/quay.png'},
        {'type': 'input_file', 'file_url': 'https://files.example/tides.pdf'},
        {'type': 'input_file', 'filename': 'a.txt', 'file_data': 'data:text/plain;base64,aGk='},
    ]
    [message] = conversation_of([{'role': 'user', 'content': content}]).messages
    [prompt] = message.parts
    pieces = list(getattr(prompt, 'content', ()))
    assert pieces[0] == 'What is on these?'
    assert [type(piece) for piece in pieces[2:4]] == [ImageUrl, DocumentUrl]
    assert [(piece.media_type, len(piece.data)) for piece in pieces if isinstance(piece, BinaryContent)] == [
        ('image/png', 8),
        ('text/plain', 2),
    ]


def test_a_text_alone_is_a_message_of_the_user() -> None:
    assert told(conversation_of('When?').messages) == [['request', ('user-prompt', 'When?')]]


@pytest.mark.parametrize(
    ('items', 'says'),
    [
        pytest.param([USER, {**CALL, 'call_id': None}], "to have a text as its 'call_id'", id='a_call_without_an_id'),
        pytest.param([{'role': 'user', 'content': [{'type': 'input_text'}]}], "as its 'text'", id='no_text_in_a_part'),
        pytest.param([], 'end with a message', id='nothing'),
        pytest.param([USER, {'role': 'assistant', 'content': 'At noon.'}], 'end with a message', id='answered'),
        pytest.param([USER, CALL], 'end with a message', id='a_call_that_the_run_would_make'),
        pytest.param([USER, RESULT], 'no such function_call before it', id='a_result_without_a_call'),
        pytest.param([{'role': 'tool', 'content': 'x'}], "of the role 'tool'", id='a_role'),
        pytest.param([{'type': 'mcp_approval_response'}], "of type 'mcp_approval_response'", id='an_approval'),
        pytest.param(
            [{'role': 'user', 'content': [{'type': 'input_image', 'image_url': 'gs://bucket/secret.png'}]}],
            'none of the web',
            id='an_address_that_is_read_with_rights_of_the_server',
        ),
        pytest.param(
            [{'role': 'user', 'content': [{'type': 'input_file', 'file_id': 'file-1'}]}],
            'not kept here',
            id='a_file_id',
        ),
        pytest.param(
            [{'role': 'assistant', 'content': [{'type': 'input_image', 'image_url': PIXEL}]}, USER],
            'it can say text only',
            id='a_picture_by_the_assistant',
        ),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(items: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        conversation_of(items)
