"""Words of messages that depend on what they are about: `a`, `counted`."""

from __future__ import annotations

__all__ = ['a', 'counted']


def a(thing: object) -> str:
    """The name of a value's type, with its article.

    Example:
        >>> a(5), a('x'), a([])
        ('an int', 'a str', 'a list')
    """
    name = type(thing).__name__
    return f'{"an" if name[:1].lower() in "aeio" else "a"} {name}'


def counted(number: int, noun: str) -> str:
    """So many of something.

    Example:
        >>> counted(1, 'character'), counted(1200, 'character'), counted(1, 'entry'), counted(0, 'entry')
        ('1 character', '1200 characters', '1 entry', '0 entries')
    """
    if number == 1:
        return f'1 {noun}'
    return f'{number} {noun[:-1]}ies' if noun.endswith('ry') else f'{number} {noun}s'
