"""Say what was wrong with an answer, from what its stream can tell once it is over.

Give back one word, the first of these that is true: 'cut' if the answer did not come to its end; 'buffered' if all of
it came in one piece, however late; else what took most of the time, if that was more than a second: 'tool', 'thinking',
'waiting' for the model, or a 'gap' in its writing; else 'fine'.
"""

from __future__ import annotations

from typing import Any

from pydantic_ai_streaming import RunStream


def cause(stream: RunStream[Any]) -> str:
    # TODO: this looks at one figure. Whatever is wrong, it is the model's fault, or there is nothing.
    if (stream.stats.first_text or 0) > 1:
        return 'waiting'
    return 'fine'
