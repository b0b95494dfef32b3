"""pydantic-ai's events and messages in, facts out: progress, rejected attempts, truncation, history. Pure."""

__all__: list[str] = []
