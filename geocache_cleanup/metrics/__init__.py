"""The metrics file of a run."""
