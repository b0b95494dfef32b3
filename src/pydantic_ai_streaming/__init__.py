"""Everything between a pydantic-ai run and the person who watches it."""

__all__: list[str] = []
