"""Backends: a model file goes in, a callable network comes out (`ModelSpec -> Network`)."""
