"""A request that is answered with a status and a reason: `Refused`."""

from __future__ import annotations

import secrets

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..core.sse import sse_comment, sse_event
from ..core.telling import told_to
from ..core.wording import counted
from ..errors import (
    LogClosed,
    RunnerClosed,
    StoreError,
    StreamLogError,
    StreamMissing,
    TooManyRuns,
    TurnInProgress,
)

__all__ = ['LATER', 'NO_STORE', 'RETRY', 'Refused', 'refusal_of']

logger = told_to(__name__)

RETRY = 1.0
"""Seconds that a client is told to wait before it connects again."""

LATER = {'retry-after': f'{RETRY:.0f}'}

NO_STORE = {'cache-control': 'no-cache, no-store, no-transform', 'x-accel-buffering': 'no'}
"""For proxies: nothing is kept back, stored or compressed; nginx asks for a header of its own."""


class Refused(Exception):
    """Why a request is not followed. The client gets it as JSON: `{"error": ..., "message": ...}`.

    Attributes:
        status: The status of the response.
        error: A word for programs.
        message: A sentence for people, which tells nothing of what is inside.
    """

    def __init__(self, status: int, error: str, message: str, *, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.error = error
        self.message = message
        self._headers = headers
        super().__init__(message)

    def response(self, request: Request) -> Response:
        """What the client gets.

        An `EventSource` never connects again after any other status than 200, and says to no page which it was. So it
        gets a stream without events where a later request may be followed: then it comes back, with the id of the last
        event that it has seen.
        https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model
        """
        if 'retry-after' in (self._headers or {}) and _from_event_source(request):
            body = sse_comment(self.error) + sse_event(retry=RETRY)
            return Response(body, headers=NO_STORE, media_type='text/event-stream')
        content = {'error': self.error, 'message': self.message}
        return JSONResponse(content, self.status, headers={'cache-control': 'no-store', **(self._headers or {})})


def _from_event_source(request: Request) -> bool:
    """Whether nothing but events can be read there. Clients that know what to do with a status take other types too."""
    types = [one.partition(';')[0].strip().lower() for one in ','.join(request.headers.getlist('accept')).split(',')]
    return request.method == 'GET' and types == ['text/event-stream']


def refusal_of(error: Exception) -> Refused:
    """What a client is told of an error. Of one that it has no part in, it gets an id that the log has, too.

    Raises:
        HTTPException: The error is one: what the program itself answers with.
    """
    if isinstance(error, Refused):
        return error
    if isinstance(error, HTTPException):
        raise error
    if isinstance(error, StreamMissing):
        return Refused(404, 'not_found', 'There is no such stream.')
    if isinstance(error, StreamLogError):
        return Refused(409, error.reason, 'The stream has changed meanwhile.')
    if isinstance(error, TurnInProgress):
        return Refused(409, 'turn_in_progress', 'The chat is being answered already: wait for that, or stop it.')
    if isinstance(error, TooManyRuns) and error.owner is not None:
        return Refused(429, 'too_many', f'You have {counted(error.limit, "run")} going on already.', headers=LATER)
    if isinstance(error, TooManyRuns):
        return Refused(503, 'busy', 'As many runs go on as can.', headers=LATER)
    if isinstance(error, RunnerClosed | LogClosed):
        return Refused(503, 'unavailable', 'This server is ending: ask again.', headers=LATER)
    error_id = secrets.token_hex(8)
    if isinstance(error, StoreError) and error.reason == 'full':
        logger.error('A request failed with error %s: %s', error_id, error)
        return Refused(507, 'full', f'There is no room for more (error {error_id}).')
    if isinstance(error, StoreError) and error.reason in (
        'unavailable',
        'read_only',
    ):  # which comes to all who ask meanwhile: a line for each is enough
        logger.error('A request failed with error %s: %s', error_id, error)
        return Refused(503, 'unavailable', f'Not now (error {error_id}).', headers=LATER)
    logger.error('A request failed with error %s', error_id, exc_info=error)
    return Refused(500, 'failed', f'Something went wrong (error {error_id}).')
