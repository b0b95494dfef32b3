"""What a `POST` makes of a stream."""

from __future__ import annotations

from dataclasses import replace

from ...logs.heads import Head, Write
from .answers import Answer, Refused, Step, gone, missing, only_read, refusal
from .asking import Append
from .kept import Kept, Turn, kept_in
from .messages import media_type, messages_in
from .offsets import token_of

__all__ = ['decide_append']


def decide_append(append: Append, head: Head | None) -> Answer | Step:
    """What to write, or what to answer, of a stream as it is.

    Requests of a producer, and those with a `Stream-Seq` or a `Stream-Expected-Offset`, are written on the condition
    that nobody has written in between. The others only need the stream to be open, so that they do not wait for each
    other.
    """
    if head is None:
        return missing()
    if (kept := kept_in(head)) is None:
        return only_read()
    if kept.deleted or kept.copying:
        return gone() if kept.deleted else missing()
    if not append.body and not append.close:
        return refusal(400, 'There is nothing to append, and the stream is not to be closed.')
    answer = _out_of_turn(append.turn, kept, head) if append.turn else _closed(append, head)
    if answer is None and append.body:
        answer = _unfit(append, kept, head)
    if answer is None and append.expected not in (None, head.length):
        answer = refusal(409, 'The stream does not end where it is expected to.', **_end_of(head))
    if answer is not None:
        return answer
    try:
        entries = messages_in(append.body, kept.content_type) if append.body else []
    except Refused as refused:
        return refused.answer
    if append.body and not entries:
        return refusal(400, 'The array is empty: there is nothing to append.')
    return Step([_write(append, head, kept, entries)], lambda length: _done(append, length))


def _write(append: Append, head: Head, kept: Kept, entries: list[bytes]) -> Write:
    write = Write(stream_id=head.stream_id, incarnation=head.incarnation, entries=entries, close=append.close)
    if not append.is_conditional:
        return write
    if append.turn is not None:
        closed_by = append.turn if append.close else kept.closed_by
        kept = replace(kept, producers=kept.after(append.turn), closed_by=closed_by)
    if append.seq is not None and entries:
        kept = replace(kept, seq=append.seq)
    return replace(write, version=head.version, details=kept.written(head.details))


def _done(append: Append, length: int) -> Answer:
    headers = {'stream-next-offset': token_of(length)}
    if append.close:
        headers['stream-closed'] = 'true'
    if append.turn is not None:
        headers |= {'producer-epoch': str(append.turn.epoch), 'producer-seq': str(append.turn.seq)}
    return Answer(200 if append.turn is not None and append.body else 204, headers)


def _closed(append: Append, head: Head) -> Answer | None:
    if not head.closed:
        return None
    if append.close and not append.body:
        return _done(append, head.length)
    return _conflict(head)


def _conflict(head: Head) -> Answer:
    return refusal(409, 'The stream is closed.', stream_closed='true', **_end_of(head))


def _out_of_turn(turn: Turn, kept: Kept, head: Head) -> Answer | None:
    """Why a request of a producer is not the next one: it was done, it is a zombie's, or one is missing before it."""
    epoch, seq = kept.producers.get(turn.producer, (-1, -1))
    if turn.epoch < epoch:
        return refusal(403, 'The producer has a later epoch.', producer_epoch=epoch)
    if head.closed:
        return _repeated(turn, seq, head) if kept.closed_by == turn else _conflict(head)
    if turn.epoch > epoch:
        if turn.seq == 0:
            return None
        if epoch >= 0:
            return refusal(400, 'A new epoch of a producer begins with 0.')
        seq = -1
    elif turn.seq <= seq:
        return _repeated(turn, seq, head)
    if turn.seq == seq + 1:
        return None
    return refusal(
        409, 'A request is missing before this one.', producer_expected_seq=seq + 1, producer_received_seq=turn.seq
    )


def _repeated(turn: Turn, seq: int, head: Head) -> Answer:
    headers = {'stream-next-offset': token_of(head.length)}
    headers |= {'producer-epoch': str(turn.epoch), 'producer-seq': str(seq)}
    return Answer(204, headers | ({'stream-closed': 'true'} if head.closed else {}))


def _end_of(head: Head) -> dict[str, str]:
    return {'stream_next_offset': token_of(head.length)}


def _unfit(append: Append, kept: Kept, head: Head) -> Answer | None:
    if append.content_type is None:
        return refusal(400, 'Content-Type is missing.')
    if media_type(append.content_type) != media_type(kept.content_type):
        return refusal(409, 'The stream has another content type.')
    if append.seq is not None and kept.seq is not None and append.seq <= kept.seq:
        return refusal(409, 'Stream-Seq has to be greater than the last one.', **_end_of(head))
    return None
