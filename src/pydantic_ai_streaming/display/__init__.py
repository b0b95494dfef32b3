"""A run in a terminal, a pipe, a log or a notebook. `rich`, of the extra `display`, is needed for columns only."""

from .columns import can_print_columns, print_columns
from .notebook import show
from .terminal import print_stream

__all__ = ['can_print_columns', 'print_columns', 'print_stream', 'show']
