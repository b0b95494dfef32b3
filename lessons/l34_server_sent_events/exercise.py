r"""The two ends of an event stream: `write` for the server, `Reader` for a client.

`write(text, number)` gives the bytes of one event: its id is the number, its data the JSON object {"text": text}. The
text is to get there with every character that it has.

`Reader().feed(piece)` takes some bytes, cut anywhere, and gives the data of each event that is complete now, as a
browser does. An event ends at an empty line. It may have several lines of data, joined by line ends; one space after
the colon does not count; lines end in \n or \r\n; comments (": ping") and unknown fields are passed over.
`last_id` is the id as of the last event that was complete, for `Last-Event-ID`.
"""

from __future__ import annotations


def write(text: str, number: int) -> bytes:
    # TODO: there is no id, and what follows a line end in the text is lost.
    return f'data: {text}\n\n'.encode()


class Reader:
    def __init__(self) -> None:
        self.last_id = ''

    def feed(self, piece: bytes) -> list[str]:
        # TODO: each piece is read as if it had whole lines and whole events.
        return [line[6:] for line in piece.decode().split('\n') if line.startswith('data: ')]
