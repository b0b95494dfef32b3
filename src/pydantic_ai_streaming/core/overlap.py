"""Takes out of a text what it repeats of another one that it goes on from."""

from __future__ import annotations

__all__ = ['MIN_OVERLAP', 'Overlap']

MIN_OVERLAP = 10
"""Characters from which an overlap counts as a repetition; fewer may as well be chance, as in `10` and `000`."""


class Overlap:
    """Trims the beginning of a text, as it comes, by what it repeats of the end of the text before it.

    A model that is asked to go on may begin with the last words that it has said, or with all of them. What may still
    turn out to be such a repetition is held back, and nothing longer than what was said ever is. The longest repetition
    counts, if it has `MIN_OVERLAP` characters or is all that was said.

    Attributes:
        hidden: Characters of the new text that are not to be shown: repeated, or held back for now.

    Args:
        said: The text before.

    Example:
        >>> overlap = Overlap('The quick brown fox jumps ')
        >>> overlap.feed('brown fox ')
        ''
        >>> overlap.feed('jumps over')
        'over'
        >>> overlap.hidden
        16
    """

    __slots__ = ('_come', '_places', '_said', 'decided', 'hidden')

    def __init__(self, said: str) -> None:
        self._said = said
        self._come = ''
        # Where in what was said the new text may have begun to repeat it: the earliest is the longest repetition.
        self._places: list[int] | None = None
        self.decided = not said
        self.hidden = 0

    def feed(self, text: str) -> str:
        """Take in more of the new text. Returns what of it, and of what was held back, is to be shown now."""
        if self.decided:
            return text
        if not text:
            return ''
        self._look(text)
        self._come += text
        place = self._places[0] if self._places else len(self._said)
        if len(self._said) - place > len(self._come):
            # The longest that is still possible is not complete yet.
            self.hidden = len(self._come)
            return ''
        return self._show(self._longest())

    def close(self) -> str:
        """The new text is over. Returns what was held back."""
        return '' if self.decided else self._show(self._longest())

    def _longest(self) -> int:
        for place in self._places or ():
            length = len(self._said) - place
            if length <= len(self._come) and (length >= MIN_OVERLAP or place == 0):
                return length
        return 0

    def _look(self, text: str) -> None:
        said, come = self._said, len(self._come)
        if self._places is None:
            self._places = _places(said, text)
            return
        self._places = [
            place
            for place in self._places
            if place + come >= len(said) or said.startswith(text[: len(said) - place - come], place + come)
        ]

    def _show(self, repeated: int) -> str:
        self.decided = True
        self.hidden = repeated
        rest, self._come, self._said, self._places = self._come[repeated:], '', '', None
        return rest


def _places(said: str, text: str) -> list[int]:
    """Where `said` goes on, or ends, as `text` begins."""
    found: list[int] = []
    place = said.find(text)
    while place >= 0:
        found.append(place)
        place = said.find(text, place + 1)
    first = max(0, len(said) - len(text) + 1)
    # Near its end, what was said is shorter than the text.
    found.extend(place for place in range(first, len(said)) if text.startswith(said[place:]))
    return found
