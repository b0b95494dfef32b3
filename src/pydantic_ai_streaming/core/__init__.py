"""Machines: pure, without I/O and without a clock, fed with values and `now`."""

__all__: list[str] = []
