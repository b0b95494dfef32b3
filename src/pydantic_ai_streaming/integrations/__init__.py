"""What connects runs to other tools: one module for each, imported by its own name."""

__all__: list[str] = []
