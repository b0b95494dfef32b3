"""Node, and the packages that tests need there, fetched the first time."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

__all__ = ['NODE', 'needs_node', 'needs_npm', 'packages_in']

NODE = shutil.which('node') or ''

needs_node = pytest.mark.skipif(not NODE, reason='node is not installed')
needs_npm = pytest.mark.skipif(
    not NODE or shutil.which('npm') is None, reason='node and npm are needed (Node 20 or later)'
)


def packages_in(folder: Path) -> None:
    """Fetch the packages of a folder, once: tests of another process that need them too wait for that."""
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f'npm-{name}.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / 'node_modules').is_dir():
            command = ['npm', 'ci', '--no-audit', '--no-fund', '--ignore-scripts', '--silent']
            subprocess.run(command, cwd=folder, check=True, timeout=300)
