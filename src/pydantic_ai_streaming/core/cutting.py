r"""Where text that is still arriving may be cut.

A `Cutter` is fed with text as a model streams it and answers with the units that are complete: graphemes, words, lines
or sentences. The end of what has arrived is never known to be complete (a combining mark, a second `*`, the rest of
the word may follow), so it is held until what follows decides, or until the caller says that it has waited enough.

Whatever the unit, no cut falls inside:

- a grapheme cluster as Unicode defines it (UAX #29: joined emoji, flags, combining marks, Hangul, CR LF);
- a terminal's control sequence (ECMA-48 CSI, and OSC such as a hyperlink);
- a Markdown delimiter: `**`, a run of backticks, a fence with its info string and line end, `](`, a line end with the
  `## ` of a heading after it, an escape such as `\*`. Half of one makes a renderer show something else for a moment.

One pattern decides: each of its matches is a word or something that must stay whole, and the last match is what is
held. What is decided is dropped and never looked at again, and what is held is bounded by the limits below, so the work
is linear in the text however it is split. Lines and sentences are groups of such matches.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import regex

__all__ = ['UNITS', 'Cutter', 'Unit']

Unit = Literal['grapheme', 'word', 'line', 'sentence']
"""What a piece of text is made of: a piece is one or more whole units."""

UNITS: Final[tuple[Unit, ...]] = get_args(Unit)
"""Every `Unit`, the smallest first."""

LONGEST_WORD = 28
"""Code points. A longer run of letters (base64, a hash) is cut between graphemes rather than waited for."""

LONGEST_CLUSTER = 64
"""Code points that are held of a grapheme cluster, or of a run of one delimiter, which does not end.

UAX #15 (Stream-Safe Text) stops at 30 marks in a row; the longest emoji sequence has 10 code points.
"""

LONGEST_SEQUENCE = 2100
"""Code points that are held of a control sequence which does not end: room for a hyperlink of 2083 characters."""

LONGEST_UNIT = 4096
"""Code points that are held of a line or a sentence which does not end."""

# What belongs to the cluster before it. Every alternative ends with it, so that no match ends inside a cluster.
_JOINED = r'[\p{GCB=Extend}\p{GCB=SpacingMark}\u200d]*+'

# ECMA-48, 5.4 (CSI) and 8.3.89 (OSC, ended by ST or, as terminals have it, by BEL).
_ANSI = r'\x1b\[[0-?]*+[ -/]*+[@-~]|\x1b\][^\x07\x1b]*+(?:\x07|\x1b\\)'
_ANSI_OPEN = r'\x1b(?:\[[0-?]*+[ -/]*+|\][^\x07\x1b]*+\x1b?)?\Z'

_FENCE = r'`{3,64}+[^\n`]{0,80}+\n|~{3,64}+[^\n~]{0,80}+\n'
_FENCE_OPEN = r'`{3,64}+[^\n`]{0,80}+\Z|~{3,64}+[^\n~]{0,80}+\Z'
_HEADING = r'\r?\n[ ]{0,3}+\#{1,6}+[ \t]?'
_HEADING_OPEN = r'\r\Z|\r?\n[ ]{0,3}+\#{0,6}+\Z'
_RUN = '|'.join(rf'{regex.escape(mark)}{{1,{LONGEST_CLUSTER}}}+' for mark in '`*~_#=$|>+-')
_PAIR = r'\]\(|!\[|\\[!-/:-@\[-`{-~]'
_PAIR_OPEN = r'[\]!\\]\Z'

# Scripts without spaces between words are cut between clusters, as the default rules of UAX #29 do for ideographs: to
# find the words inside takes a dictionary.
_UNSPACED = r'\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u30fc'
_LETTER = rf'[[\p{{L}}\p{{N}}_]--[{_UNSPACED}\p{{GCB=Prepend}}\p{{ExtPict}}]]{_JOINED}'
# UAX #29, WB6 to WB12: an apostrophe, a full stop or a colon between letters, and a comma between digits.
_INNER = r"(?:['\u2019.:]|(?<=\p{N})[,;])"
_WORD = rf'(?:{_LETTER})++(?:{_INNER}(?:{_LETTER})++)*+(?:{_INNER}\Z)?'

# The first characters of all that must stay whole besides clusters and flags. One look at them spares every other
# cluster some twenty alternatives, which took most of the time.
_SPECIAL = r'(?=[\x1b`~\r\n\#*_=$|>+\-\]!\\])'
# The end of the text that more text would complete for certain. Anything else at the end may be complete.
_UNFINISHED = rf'{_ANSI_OPEN}|{_FENCE_OPEN}|{_HEADING_OPEN}|{_PAIR_OPEN}|(?:{_RUN})\Z'
# A run comes with the blank after it: a list's `- ` or a quote's `> ` is one mark.
_WHOLE = rf'(?:{_ANSI}|{_FENCE}|{_HEADING}|{_PAIR}|(?:{_RUN})[ \t]?){_JOINED}'
# `\X` looks back to the start of a run of regional indicators at each of them, which is quadratic for a run of flags.
_FLAG = rf'(?P<unfinished>\p{{GCB=RI}}{_JOINED}\Z)|\p{{GCB=RI}}{{2}}{_JOINED}'
_CLUSTER = rf'{_SPECIAL}(?:(?P<unfinished>{_UNFINISHED})|{_WHOLE})|{_FLAG}|\X'

_GRAPHEMES = regex.compile(rf'(?V1){_CLUSTER}')
_WORDS = regex.compile(rf'(?V1)(?P<word>{_WORD})|{_CLUSTER}')
# The end of a cluster that text often goes on with: a zero width joiner, a virama or a prepended mark waits for what it
# joins; emoji are joined, and scripts that are not `InSC=Other` write vowels and tones as marks on the letter before.
_JOINS = regex.compile(
    r'(?V1)[\u200d\p{GCB=Prepend}\p{GCB=L}\p{GCB=V}\p{ExtPict}\p{EMod}\ufe0f\p{Arabic}\p{Hebrew}'
    r'[[\p{L}\p{M}]--\p{InSC=Other}]]'
)

_FULL_STOP = regex.compile(r'[.!?…。！？｡]')
_WIDE_FULL_STOP = regex.compile(r'[。！？｡]')
_CLOSING = regex.compile(r'[\p{Pe}\p{Pf}"\'*_`~]')


class Cutter:
    r"""Turns text as it arrives into units that are safe to show one by one.

    Whatever is fed comes out once and in order: the units of every call, joined, are the text.

    Args:
        by: The unit. A word is a run of letters and digits (UAX #29 for scripts with spaces); what stands between
            words, and each cluster of a script without spaces, is a unit of its own. A line ends after its line end,
            except that a heading's mark stays with the line end before it. A sentence ends before the next one starts,
            or with its line.

    Example:
        >>> cutter = Cutter('word')
        >>> cutter.feed('Hel'), cutter.feed('lo **wor')
        ([], ['Hello', ' ', '**'])
        >>> cutter.feed('ld*'), cutter.flush()
        (['world'], ['*'])
    """

    def __init__(self, by: Unit = 'word') -> None:
        if by not in UNITS:
            raise ValueError(f'by={by!r} is no unit of text: use one of {", ".join(map(repr, UNITS))}')
        self.by: Unit = by
        """The unit."""
        self._by_word = by != 'grapheme'
        self._pattern = _WORDS if self._by_word else _GRAPHEMES
        self._group = _Group(by) if by in ('line', 'sentence') else None
        self.end = ''
        """The last word, cluster or sequence, which may go on."""
        self._unfinished = False
        self._in_long_word = False
        # Counted here and not when asked for: a pacer asks several times per delta.
        self.held_words = 0
        """Code points of the whole words of an unfinished line or sentence."""
        self.held_end = 0
        """Code points of `end`."""

    @property
    def held(self) -> int:
        """Code points that were fed and did not come out yet."""
        return self.held_words + self.held_end

    def feed(self, text: str) -> list[str]:
        """The units that `text` completes; the last one is held."""
        if not text:
            return []
        units = self._cut(self.end + text)
        self.end = end = units.pop()
        self.held_end = len(end)
        if self.held_end > LONGEST_CLUSTER and (not self._unfinished or self.held_end > LONGEST_SEQUENCE):
            units.append(end)
            self.end, self.held_end = '', 0
        if self._group:
            units = self._group.feed(units)
            self.held_words = self._group.length
        return units

    def release_words(self) -> list[str]:
        """The whole words of an unfinished line or sentence, so that only its last word is held."""
        self.held_words = 0
        return self._group.flush() if self._group else []

    def release(self) -> list[str]:
        """All that is held, as one unit, but its last grapheme cluster if more of that is likely to come.

        That is the start of a sequence or of a delimiter, an emoji, or a letter of a script whose vowels are marks. For
        when nothing more has come for a while. What follows is cut as a new unit.
        """
        units = self.release_words()
        if self.end and not self._unfinished:
            clusters, self._unfinished = _clusters(self.end)
            self.end = clusters.pop() if self._unfinished else ''
            self.held_end = len(self.end)
            units += [''.join(clusters)] if clusters else []
        return units

    def flush(self) -> list[str]:
        """All that is held, even if it is the start of something. After it the cutter is as new."""
        units = [self.end] if self.end else []
        if self._group:
            units = self._group.feed(units)
            units += [''.join(rest)] if (rest := self._group.flush()) else []
        self.end, self._unfinished, self._in_long_word = '', False, False
        self.held_words = self.held_end = 0
        return units

    def _cut(self, text: str) -> list[str]:
        """Every match, the last of which may go on."""
        if self._by_word and _is_plain(text):
            # Most deltas only make a word longer, and need no pattern.
            self._unfinished = False
            self._in_long_word = self._in_long_word or len(text) > LONGEST_WORD
            return list(text) if self._in_long_word else [text]
        units: list[str] = []
        kind: str | None = None
        for match in self._pattern.finditer(text):
            unit, kind = match.group(), match.lastgroup
            if kind == 'word' and (self._in_long_word or len(unit) > LONGEST_WORD):
                units += _clusters(unit)[0]
                self._in_long_word = True
            else:
                units.append(unit)
                self._in_long_word = False
        self._unfinished = kind == 'unfinished'
        return units


def _is_plain(text: str) -> bool:
    """Whether each code point is a letter or a digit and a cluster, so that `text` is one word whatever comes next."""
    return text.isascii() and text.isalnum()


def _clusters(text: str) -> tuple[list[str], bool]:
    """The grapheme clusters and sequences of `text`, and whether the last is likely to go on."""
    clusters: list[str] = []
    kind: str | None = None
    for match in _GRAPHEMES.finditer(text):
        clusters.append(match.group())
        kind = match.lastgroup
    return clusters, kind == 'unfinished' or _JOINS.match(text, len(text) - 1) is not None


class _Group:
    """Joins words into lines or sentences. Each word is looked at once: does it close what came before it?"""

    def __init__(self, by: Literal['line', 'sentence']) -> None:
        self._by_sentence = by == 'sentence'
        self._words: list[str] = []
        self.length = 0
        self._stop = ''
        """How far the end of a sentence has come: '' for not at all, or its full stop, or ' ' after it."""

    def feed(self, words: list[str]) -> list[str]:
        units: list[str] = []
        for word in words:
            if self._words and self._closes_before(word):
                units.append(self._close())
            self._words.append(word)
            self.length += len(word)
            if word[-1] == '\n' or self.length > LONGEST_UNIT:
                units.append(self._close())
        return units

    def flush(self) -> list[str]:
        words, self._words, self.length, self._stop = self._words, [], 0, ''
        return words

    def _close(self) -> str:
        return ''.join(self.flush())

    def _closes_before(self, word: str) -> bool:
        if word[0] in '\r\n' and '#' in word:
            return True
        if not self._by_sentence:
            return False
        if _FULL_STOP.match(word):
            self._stop = word[0]
            return False
        closing = self._stop != ' ' and _CLOSING.match(word) is not None
        if self._stop and (word.isspace() or (closing and word[-1].isspace())):
            self._stop = ' '
            return False
        ended = self._stop == ' ' or _WIDE_FULL_STOP.match(self._stop) is not None
        if not closing:
            self._stop = ''
        # UAX #29, SB8: a full stop before a small letter is an abbreviation's.
        return ended and not closing and not word[0].islower()
