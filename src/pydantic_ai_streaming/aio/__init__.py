"""Asynchronous shells over the machines, for any async iterator. They hold no scope across a yield."""

__all__: list[str] = []
