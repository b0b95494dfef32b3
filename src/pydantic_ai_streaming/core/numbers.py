"""Settings that have to be numbers: `check_number`."""

from __future__ import annotations

__all__ = ['check_number']


def check_number(name: str, value: object) -> None:
    """Raise `TypeError` for what is no number, such as text out of the environment.

    Example:
        >>> check_number('grace', '10')
        Traceback (most recent call last):
        ...
        TypeError: grace='10' is not a number: use an int or a float
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f'{name}={value!r} is not a number: use an int or a float')
