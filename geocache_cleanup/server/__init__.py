"""Database servers: PostgreSQL, MariaDB and MySQL."""
