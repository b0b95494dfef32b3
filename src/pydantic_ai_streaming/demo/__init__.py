"""The demo: three scenes that a scripted model plays, or one run with a real model."""

__all__: list[str] = []
