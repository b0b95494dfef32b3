"""`python -m benchmarks` prints every figure that the project states."""

from __future__ import annotations

from benchmarks import overhead, smoothing

__all__ = ['main']


def main() -> None:
    """Run all benchmarks."""
    print('SMOOTHING: pacing on arrival traces, in virtual time\n')
    smoothing.main()
    print('\nOVERHEAD: RunStream over the bare events\n')
    overhead.main()


if __name__ == '__main__':
    main()
