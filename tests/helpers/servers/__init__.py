"""Database servers of the tests' own."""
