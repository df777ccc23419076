"""When is a stored value stale: instants, and the ranges that lie before one."""
