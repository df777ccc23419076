"""The job: one transaction or a series of them, and the record of each run."""
