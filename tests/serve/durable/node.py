"""What is run by Node here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ['FOLDER', 'install', 'needs_node']

FOLDER = Path(__file__).parent

needs_node = pytest.mark.skipif(
    shutil.which('node') is None or shutil.which('npm') is None,
    reason="the protocol's own tests and client need node and npm (Node 20 or later)",
)


def install() -> None:
    """Fetch the packages, the first time."""
    if not (FOLDER / 'node_modules').is_dir():
        command = ['npm', 'ci', '--no-audit', '--no-fund', '--ignore-scripts', '--silent']
        subprocess.run(command, cwd=FOLDER, check=True)
