"""Tables that are not there or do not fit, and rights that lack."""

from typing import Any

from helpers.servers.commands import fails, geocache_cleanup
from helpers.servers.dialects import admin_of, is_postgresql, make_stale_table, text_of

BEFORE = "--before=2026-01-01"


def test_tables_that_do_not_fit(server: Any, database: str) -> None:
    """No such table, column or schema, and a view: the message says what there is instead."""
    url = server.url(database)
    assert "no table at all" in fails(url)["reason"]
    make_stale_table(server, database)
    server.query("CREATE VIEW shown AS SELECT * FROM geo_cache", database)
    for arguments, words in [
        (["--table=missing"], "geo_cache"),
        (["--time-column=seen"], "ip, last_seen"),
        (["--table=shown"], "is a view"),
    ]:
        last = fails(url, *arguments)
        assert (last["exit_status"], words in last["reason"]) == (78, True)


def test_another_database_may_be_hidden(server: Any, database: str) -> None:
    """PostgreSQL says what there is not; MariaDB tells nobody who has no privilege there."""
    make_stale_table(server, database)
    last = fails(server.url(database), "--table=elsewhere.geo_cache")
    assert last["exit_status"] == (78 if is_postgresql(server) else 77)


def test_privileges_that_lack(server: Any, database: str) -> None:
    """May not see the table, may only read it, may not write the ledger."""
    make_stale_table(server, database)
    url = server.url(database)
    assert geocache_cleanup("migrate", url=text_of(url)).status == 0
    if is_postgresql(server):
        server.query("ALTER TABLE geo_cache OWNER TO postgres", database)
        server.query("ALTER TABLE geocache_cleanup_runs OWNER TO postgres", database)
        to = "app"
    else:
        server.query(f"REVOKE ALL ON {database}.* FROM app")
        assert fails(url)["exit_status"] == 77
        server.query(f"GRANT CREATE ON {database}.* TO app")
        to = "app"
    assert fails(url, BEFORE)["exit_status"] == 77
    server.query(f"GRANT SELECT ON geo_cache TO {to}", database)
    assert geocache_cleanup("run", "--dry-run", BEFORE, url=text_of(url)).status == 0
    assert fails(url, BEFORE)["exit_status"] == 77
    server.query(f"GRANT DELETE ON geo_cache TO {to}", database)
    server.query(f"GRANT SELECT ON geocache_cleanup_runs TO {to}", database)
    assert fails(url, BEFORE)["exit_status"] == 77
    assert geocache_cleanup("check", BEFORE, url=text_of(url)).status == 77
    assert server.query("SELECT count(*) FROM geo_cache", database) == [(3,)]


def test_rights_on_the_table_alone(server: Any, database: str) -> None:
    """They do without a ledger; one that the account may not see is none on MariaDB and MySQL."""
    make_stale_table(server, database)
    url = text_of(server.url(database))
    admin = text_of(server.url(database, user=admin_of(server)))
    if is_postgresql(server):
        server.query("ALTER TABLE geo_cache OWNER TO postgres", database)
    else:
        server.query(f"REVOKE ALL ON {database}.* FROM app")
    server.query("GRANT SELECT, DELETE ON geo_cache TO app", database)
    done = geocache_cleanup("run", BEFORE, url=url)
    assert (done.status, done.last["deleted"]) == (0, 3)
    assert geocache_cleanup("migrate", url=admin).status == 0
    hidden = 77 if is_postgresql(server) else 0
    assert geocache_cleanup("run", BEFORE, url=url).status == hidden
    assert geocache_cleanup("history", url=url).status == (hidden or 78)
