"""The Durable Streams protocol over a `StreamLog`.

https://github.com/durable-streams/durable-streams/blob/main/PROTOCOL.md

A request is read into what it asks for (`asking`). A machine without I/O looks at that and at the stream as it is, and
says what to write or what to answer (`creating`, `forking`, `appending`, `deleting`, `reading`). The shell does so, and
asks again when somebody else has written in between (`app`, `live`). So nothing has to be remembered in the process:
what the protocol knows of a stream is kept with the stream (`kept`), and any worker may take the next request.
"""

from __future__ import annotations

from .app import DurableStreams, DurableStreamsLimits, durable_streams

__all__ = ['DurableStreams', 'DurableStreamsLimits', 'durable_streams']
