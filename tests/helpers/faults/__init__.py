"""Faults and hostile input: real processes, real files, real errors."""
