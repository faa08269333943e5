"""Deltas between two versions of a model: small, made deterministically, applied as a stream (docs/delta-format.md)."""
