"""Prune stale rows from a geo_cache table, as a oneshot job for a systemd timer."""

__version__ = "0.1.0"
