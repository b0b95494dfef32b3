"""The figures of a stream: how soon it began, how fast it went, where it was silent."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ['Meter', 'StreamStats']


@dataclass(frozen=True, kw_only=True)
class StreamStats:
    """What a stream did until now. `str()` gives one line for people.

    Attributes:
        first_content: Seconds from the start to the first content (text, thinking or tool arguments).
        first_text: Seconds from the start to the first text.
        duration: Seconds from the start to the end, or until now.
        writing: Seconds that the model spent between the first and the last content of its responses.
        longest_gap: Longest silence between two contents of one response, in seconds.
        pieces: Number of events that brought content.
        characters: Characters of content in them (Unicode code points).
        text_characters: Characters of text among them.
        requests: Model requests that brought content.
        tool_calls: Calls of tools, output tools not included.
        attempts_rejected: Attempts that output validation has rejected.
        input_tokens: Tokens read, as the provider reports them; 0 until it does.
        output_tokens: Tokens written, as the provider reports them; 0 until it does.

    Example:
        >>> stats = StreamStats(first_content=0.42, duration=4.1, writing=3.5, characters=900, output_tokens=213,
        ...                     tool_calls=1)
        >>> print(stats)
        first content 0.42 s · 213 tokens · 61/s · 1 tool call · 4.1 s in all
    """

    first_content: float | None = None
    first_text: float | None = None
    duration: float = 0.0
    writing: float = 0.0
    longest_gap: float = 0.0
    pieces: int = 0
    characters: int = 0
    text_characters: int = 0
    requests: int = 0
    tool_calls: int = 0
    attempts_rejected: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens per second of writing; `None` until the provider has reported tokens."""
        return self.output_tokens / self.writing if self.output_tokens and self.writing > 0 else None

    @property
    def characters_per_second(self) -> float | None:
        """Characters of content per second of writing; `None` before the second piece."""
        return self.characters / self.writing if self.writing > 0 else None

    def __str__(self) -> str:
        if self.first_content is None:
            return f'no content · {self.duration:.1f} s in all'
        words = [f'first content {self.first_content:.2f} s']
        if self.output_tokens:
            words.append(_count(self.output_tokens, 'token'))
            rate = self.tokens_per_second
        else:
            words.append(_count(self.characters, 'character'))
            rate = self.characters_per_second
        if rate is not None:
            words.append(f'{rate:.0f}/s')
        if self.tool_calls:
            words.append(_count(self.tool_calls, 'tool call'))
        if self.attempts_rejected:
            words.append(_count(self.attempts_rejected, 'rejected attempt'))
        words.append(f'{self.duration:.1f} s in all')
        return ' · '.join(words)


def _count(number: int, noun: str) -> str:
    return f'{number:,} {noun}{"" if number == 1 else "s"}'


class Meter:
    """Adds up the figures of a stream. Knows no clock: every instant is an argument, in seconds.

    Example:
        >>> meter = Meter(now=0)
        >>> meter.content(now=0.5, characters=5, text=True)
        >>> meter.content(now=1.5, characters=6, text=True)
        >>> meter.stats(now=2).longest_gap
        1.0
    """

    __slots__ = (
        '_characters',
        '_first_content',
        '_first_text',
        '_last',
        '_longest_gap',
        '_pieces',
        '_requests',
        '_started',
        '_text_characters',
        '_writing',
        'attempts_rejected',
        'tool_calls',
    )

    def __init__(self, now: float) -> None:
        self._started = now
        self._first_content: float | None = None
        self._first_text: float | None = None
        self._last: float | None = None
        self._longest_gap = 0.0
        self._writing = 0.0
        self._pieces = self._characters = self._text_characters = self._requests = 0
        self.tool_calls = 0
        self.attempts_rejected = 0

    def content(self, now: float, characters: int, *, text: bool) -> None:
        """Content came."""
        last = self._last
        if last is None:
            self._requests += 1
            if self._first_content is None:
                self._first_content = now
        else:
            gap = now - last
            self._writing += gap
            if gap > self._longest_gap:
                self._longest_gap = gap
        self._last = now
        self._pieces += 1
        self._characters += characters
        if text:
            self._text_characters += characters
            if self._first_text is None:
                self._first_text = now

    def response_ended(self) -> None:
        """The model has ended a response: silence until the next one is nobody's gap."""
        self._last = None

    def stats(self, now: float, *, input_tokens: int = 0, output_tokens: int = 0) -> StreamStats:
        """The figures until `now`, which is the end of the stream once it is over."""
        start = self._started
        return StreamStats(
            first_content=None if self._first_content is None else self._first_content - start,
            first_text=None if self._first_text is None else self._first_text - start,
            duration=now - start,
            writing=self._writing,
            longest_gap=self._longest_gap,
            pieces=self._pieces,
            characters=self._characters,
            text_characters=self._text_characters,
            requests=self._requests,
            tool_calls=self.tool_calls,
            attempts_rejected=self.attempts_rejected,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
        )
