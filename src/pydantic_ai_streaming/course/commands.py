"""`pydantic-ai-streaming lessons ...`; in a checkout, `.venv/bin/python -m lessons ...` does the same."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .calling import called_here

if TYPE_CHECKING:
    from .runner import Runner

__all__ = ['main']


def main(argv: Sequence[str]) -> int:
    """Run a command of the course.

    Args:
        argv: The arguments after `lessons`.

    Returns:
        The exit code: 0, 1 if something is not right yet, 2 if it could not begin.

    Raises:
        SystemExit: From argparse, for `--help` and arguments that are wrong.
    """
    prog = called_here()
    parser = _parser(prog)
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 0
    # After the arguments are known to be right: pydantic-ai takes a second to import.
    from .contents import CourseError, read_course
    from .runner import Runner

    try:
        command: Callable[[Runner, argparse.Namespace], int] = arguments.do
        return command(Runner(read_course(), prog), arguments)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description='Learn to stream from pydantic-ai: lessons to run, and exercises that are checked as you save.',
        epilog='LESSON is a number or a name: 2, l02, streaming_text. Without it, the first that is not done.',
    )
    commands = parser.add_subparsers(dest='command', metavar='command')

    def add(
        name: str, about: str, do: Callable[[Runner, argparse.Namespace], int], lesson: str = ''
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=f'{about[0].upper()}{about[1:]}.')
        command.set_defaults(do=do)
        if lesson:
            command.add_argument('lesson', nargs=lesson, metavar='LESSON', help='a number or a name')
        return command

    add('list', 'the lessons, and which are done', lambda r, _: r.list())
    init = add('init', 'make a folder with the lessons and exercises, for you to change', lambda r, a: r.init(a.folder))
    init.add_argument('folder', nargs='?', type=Path, metavar='DIR', help='default: streaming-lessons')
    run = add('run', 'run a lesson, with a scripted model or a real one', lambda r, a: r.run(a.lesson, a.live), '?')
    run.add_argument('--live', metavar='MODEL', help='ask a real model, such as openai:gpt-5-mini')
    add('check', 'check your exercise', lambda r, a: r.check(a.lesson), '?')
    add('watch', 'check your exercise whenever you save it', lambda r, a: r.watch(a.lesson), '?')
    add('hint', 'one hint more', lambda r, a: r.hint(a.lesson), '?')
    add('solution', 'print a solution', lambda r, a: r.solution(a.lesson), '?')
    add('reset', 'bring the starter back; yours is kept beside it', lambda r, a: r.reset(a.lesson), '?')
    book = add('notebook', 'write a lesson as a Jupyter notebook', lambda r, a: r.notebook(a.lesson, a.out), '?')
    book.add_argument('--out', metavar='FILE', help='where to; - prints it (default: the name of the lesson, here)')
    add('progress', 'how far you have come', lambda r, _: r.progress())
    verify = add(
        'verify', 'whether the lessons are what they say, for those who write them',
        lambda r, a: r.verify(a.lesson, notebooks=a.notebooks, write=a.write), '*',
    )  # fmt: skip
    verify.add_argument('--no-notebooks', dest='notebooks', action='store_false', help='leave the kernel out')
    verify.add_argument('--write', action='store_true', help='first write quotes and outputs anew, as they are now')
    return parser
