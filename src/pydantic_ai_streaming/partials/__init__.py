"""Types and documents in, partial outputs out."""

__all__: list[str] = []
