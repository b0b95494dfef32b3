"""One run: recorded once, seen through any number of views."""

__all__: list[str] = []
