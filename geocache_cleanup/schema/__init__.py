"""Migrations: how they are found and run, and what the revisions in alembic/ share."""
