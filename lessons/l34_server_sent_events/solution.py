"""JSON has no line ends in it, and whoever reads keeps what is not complete for the next piece."""

from __future__ import annotations

import codecs
import json


def write(text: str, number: int) -> bytes:
    return f'id: {number}\ndata: {json.dumps({"text": text})}\n\n'.encode()


class Reader:
    def __init__(self) -> None:
        self.last_id = ''
        self._decode = codecs.getincrementaldecoder('utf-8')('replace').decode
        self._line = ''  # one whose end has not come
        self._data: list[str] = []
        self._id = ''

    def feed(self, piece: bytes) -> list[str]:
        *lines, self._line = (self._line + self._decode(piece)).split('\n')
        return [data for line in lines if (data := self._read(line.removesuffix('\r'))) is not None]

    def _read(self, line: str) -> str | None:
        field, _, value = line.partition(':')
        value = value.removeprefix(' ')
        if field == 'data':
            self._data.append(value)
        elif field == 'id':
            self._id = value
        if line:
            return None
        data, self._data = self._data, []
        self.last_id = self._id
        return '\n'.join(data) if data else None
