"""Where the client for browsers is: `BROWSER_CLIENT`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ['BROWSER_CLIENT']

BROWSER_CLIENT: Final = Path(__file__).with_name('stream_client.js')
"""The path of `stream_client.js`, an ES module without dependencies that reads what `SSEResponse` sends."""
