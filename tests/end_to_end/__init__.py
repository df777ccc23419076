"""The command as it is started, on SQLite files."""
