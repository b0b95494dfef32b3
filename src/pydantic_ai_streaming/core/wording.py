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
        >>> counted(1, 'character'), counted(1200, 'character')
        ('1 character', '1200 characters')
    """
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'
