"""What a type says about how it shows while it streams: `Show`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema

from .shells import Schema

__all__ = ['SHOW', 'Show', 'show_of']

SHOW: Final = 'pydantic_ai_streaming.show'
"""Where the metadata of a core schema holds it."""


@dataclass(frozen=True)
class Show:
    """Says in a type how a value shows while it streams. It changes nothing for pydantic otherwise.

    Without it, text shows as it grows, objects and arrays as they fill in, and everything else (numbers, booleans,
    literals, enums, dates, text with a pattern or with a function that may change it) when it is complete.

    Args:
        when: `'complete'` shows the value only when it is complete and valid. `'growing'` shows text as it grows where
            it would not: the function that may change it sees it at the end.
        needed: Hide the object that holds this field until the field is there.

    Example:
        ```python
        from typing import Annotated

        from pydantic import BaseModel
        from pydantic_ai_streaming import Show, partial_outputs


        class Quote(BaseModel):
            source: Annotated[str, Show(needed=True)]
            text: str
            verdict: Annotated[str, Show('complete')] = ''


        for partial in partial_outputs(['{"source": "Ada", "text": "Poeti', 'cal", "verdict": "tr', 'ue"}'], Quote):
            print(partial.value)
            #> source='Ada' text='Poeti' verdict=''
            #> source='Ada' text='Poetical' verdict=''
            #> source='Ada' text='Poetical' verdict='true'
        ```

    A class says the same of all its values with an attribute, `__show__ = Show('complete')`.
    """

    when: Literal['growing', 'complete'] | None = None
    needed: bool = False

    def __post_init__(self) -> None:
        if self.when not in ('growing', 'complete', None):
            raise ValueError(f"when={self.when!r}: use 'growing', 'complete' or None")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        # A copy: the handler may give the schema that other places share.
        metadata = {**(schema.get('metadata') or {}), SHOW: self}
        return cast('CoreSchema', {**schema, 'metadata': metadata})


def show_of(schema: Schema) -> Show | None:
    """What a type says about how it shows, at its place or, under functions and a default, in its class."""
    while True:
        metadata: Schema = schema.get('metadata') or {}
        show = metadata.get(SHOW) or getattr(schema.get('cls'), '__show__', None)
        if show is not None or 'schema' not in schema or not schema['type'].startswith(('function-', 'default')):
            return show
        schema = schema['schema']
