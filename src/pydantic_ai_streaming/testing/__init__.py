"""What tests of streamed runs need: scripted models, cuts, virtual time, recordings."""

__all__: list[str] = []
