"""`python -m lessons ...`, from a checkout; the same as `pydantic-ai-streaming lessons ...`."""

import sys

from pydantic_ai_streaming.cli import main

if __name__ == '__main__':
    sys.argv.insert(1, 'lessons')
    sys.exit(main())
