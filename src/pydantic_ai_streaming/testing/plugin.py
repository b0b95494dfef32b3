"""The pytest plugin, found by its entry point."""

__all__: list[str] = []
