"""What PostgreSQL, MariaDB and MySQL have in common."""
