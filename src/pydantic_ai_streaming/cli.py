"""The command line: `pydantic-ai-streaming`, or `python -m pydantic_ai_streaming`."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence

__all__ = ['main']

UNITS = ('grapheme', 'word', 'line', 'sentence')
FASTEST = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments; by default those of the process. It then ends soon after an exercise was checked, also if
            that has left a thread which never ends.

    Returns:
        The exit code: 0, 1 if a run failed, 2 if it could not begin, 130 if it was interrupted.

    Raises:
        SystemExit: From argparse, for `--help`, `--version` and arguments that are wrong.

    Example:
        >>> main(['--version'])
        Traceback (most recent call last):
        ...
        SystemExit: 0
    """
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments:
        _parser().print_help()
        return 0
    code = _done(arguments)
    if argv is None and arguments[:2] in (['lessons', 'check'], ['lessons', 'watch']):
        from .course.leaving import end_soon

        end_soon(code)
    return code


def _done(argv: Sequence[str]) -> int:
    try:
        code = _lessons(argv[1:]) if argv[0] == 'lessons' else _demo(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read has left (`| head`). Python would complain when it flushes at exit: give it somewhere to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


class _Version(argparse.Action):
    """Looks the version up when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f'pydantic-ai-streaming {version("pydantic-ai-streaming")}')  # noqa: T201 - what the option is for
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='pydantic-ai-streaming',
        description='Everything between a pydantic-ai run and the person who watches it.',
    )
    parser.add_argument('--version', action=_Version, nargs=0, help='print the version and exit')
    commands = parser.add_subparsers(dest='command', metavar='command')
    # It has a command line of its own, which `main` hands the rest of the arguments to.
    commands.add_parser('lessons', add_help=False, help='a course: lessons to run, and exercises that are checked')
    demo = commands.add_parser(
        'demo',
        help='see in 20 seconds what the library does',
        description='See in 20 seconds what the library does. Without --model a script is played: no key, no network.',
    )
    demo.set_defaults(parser=demo)
    demo.add_argument('--model', metavar='NAME', help='one run with a real model, such as openai:gpt-5')
    demo.add_argument('--prompt', help='what to ask it')
    demo.add_argument('--plain', action='store_true', help='lines only, no columns')
    pace = demo.add_argument_group('pace')
    pace.add_argument('--by', choices=UNITS, default='word', help='what is shown whole (default: word)')
    pace.add_argument(
        '--max-lag', type=_seconds, default=0.4, metavar='S', help='seconds that a word waits at most (default: 0.4)'
    )
    pace.add_argument('--speed', type=_factor, metavar='X', help='play the script X times as fast')
    pace.add_argument(
        '--fast', action='store_const', const=math.inf, dest='speed', help='wait for nothing (the default in a pipe)'
    )
    return parser


def _lessons(argv: Sequence[str]) -> int:
    from .course.commands import main as lessons

    return lessons(argv)


def _demo(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)
    parser: argparse.ArgumentParser = arguments.parser
    if arguments.model is None and arguments.prompt is not None:
        parser.error('--prompt is a question to a model: name it with --model')
    if arguments.model is not None and arguments.speed is not None:
        parser.error('--speed and --fast play the script faster; a model takes its own time')
    # pydantic-ai greets whoever runs an agent from a source tree, which would fall into the first scene.
    os.environ.setdefault('PYDANTIC_AI_NO_BANNER', '1')
    # pydantic-ai takes a second to import; --help and mistakes in the arguments need not wait for it.
    from .demo.play import Options, play

    return play(
        Options(
            model=arguments.model,
            prompt=arguments.prompt,
            plain=arguments.plain,
            speed=arguments.speed,
            by=arguments.by,
            max_lag=arguments.max_lag,
        )
    )


def _seconds(text: str) -> float:
    value = _number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f'{text} is no number of seconds, 0 or more')
    return value


def _factor(text: str) -> float:
    value = _number(text)
    if not 0 < value <= FASTEST:
        raise argparse.ArgumentTypeError(f'{text} is no factor above 0 and up to {FASTEST}; --fast waits for nothing')
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan  # which is in no range
