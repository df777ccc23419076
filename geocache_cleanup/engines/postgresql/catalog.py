"""What is asked of the catalogs of PostgreSQL, in its own SQL."""

import sqlalchemy as sa

RELATIONS = sa.text(
    """
    SELECT c.oid::bigint AS identity, n.nspname AS schema, c.relname AS name,
           c.relkind::text AS kind, pg_table_is_visible(c.oid) AS is_visible
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    UNION ALL
    SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text, pg_table_is_visible(c.oid)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relispartition
    """
)
IS_LOGGED = sa.text(
    "SELECT relpersistence <> 'u' FROM pg_catalog.pg_class WHERE oid = to_regclass(:name)"
)
# Where a role's search_path is empty, a name alone finds nothing.
SCHEMA_OF = sa.text(
    """
    SELECT n.nspname FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE current_schema() IS NULL AND c.relname = :name AND c.relkind = 'r'
    ORDER BY NOT has_table_privilege(c.oid, 'SELECT'), n.nspname <> 'public', n.nspname LIMIT 1
    """
)
ENTER = sa.text(
    "SELECT set_config('search_path', quote_ident(:schema), false) WHERE current_schema() IS NULL"
)
# The type behind a domain, and how a default collation is spelled by the database itself.
COLUMNS = sa.text(
    """
    SELECT a.attnum AS number, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS declared,
           (WITH RECURSIVE base AS (
                SELECT t.* FROM pg_catalog.pg_type AS t WHERE t.oid = a.atttypid
                UNION ALL
                SELECT t.* FROM pg_catalog.pg_type AS t JOIN base AS b ON t.oid = b.typbasetype)
            SELECT typname FROM base WHERE typbasetype = 0) AS type,
           coalesce(k.ordinal, 0) AS key, o.collname AS collation
    FROM pg_catalog.pg_attribute AS a
    LEFT JOIN pg_catalog.pg_collation AS o ON o.oid = a.attcollation
    LEFT JOIN (
        SELECT x.indrelid, p.number, p.ordinal FROM pg_catalog.pg_index AS x,
               unnest(x.indkey) WITH ORDINALITY AS p (number, ordinal)
        WHERE x.indisprimary) AS k ON k.indrelid = a.attrelid AND k.number = a.attnum
    WHERE a.attrelid = :table AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    """
)
# Since version 15 a database may have its collation from ICU, whatever datcollate says.
DEFAULT_COLLATION = sa.text(
    """
    SELECT CASE WHEN coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') = 'i' THEN 'of ICU'
                WHEN to_jsonb(d) ->> 'datlocprovider' = 'b' THEN 'C'
                ELSE d.datcollate END
    FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()
    """
)
INDEXES = sa.text(
    """
    SELECT i.relname AS name, o.collname AS collation
    FROM pg_catalog.pg_index AS x
    JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
    JOIN pg_catalog.pg_am AS m ON m.oid = i.relam
    JOIN pg_catalog.pg_opclass AS p ON p.oid = x.indclass[0]
    LEFT JOIN pg_catalog.pg_collation AS o ON o.oid = x.indcollation[0]
    WHERE x.indrelid = :table AND x.indkey[0] = :column AND x.indisvalid AND x.indpred IS NULL
      AND m.amname IN ('btree', 'brin') AND p.opcdefault
    ORDER BY m.amname DESC, i.relname
    """
)
# The table and all that inherits from it.
_PARTS = """WITH RECURSIVE parts (number) AS (
        SELECT CAST(CAST(:table AS text) AS regclass)::oid
        UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i
              JOIN parts ON i.inhparent = parts.number)"""
# Foreign keys are triggers here; the bit 8 of tgtype is for DELETE.
GUARDS = sa.text(
    f"""
    {_PARTS}
    SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_trigger AS t
                   WHERE t.tgrelid IN (SELECT number FROM parts)
                     AND t.tgtype & 8 = 8 AND t.tgenabled <> 'D')
        OR EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite AS r
                   WHERE r.ev_class IN (SELECT number FROM parts) AND r.ev_type = '4')
    """
)
# By whatever deleted them; of the table and all that inherits from it. For all its name, the
# counter holds those of the connection's earlier transactions too, until it reports them when idle.
DELETED = sa.text(
    f"""
    {_PARTS}
    SELECT CASE WHEN current_setting('track_counts')::boolean
                THEN coalesce(sum(pg_stat_get_xact_tuples_deleted(number)), 0)::bigint END
    FROM parts
    """
)
# At most so many of one part; pg_relation_size() knows of no parts.
PAGES = sa.text(
    f"""
    {_PARTS}
    SELECT coalesce(sum(pg_relation_size(number)), 0)::bigint
           / current_setting('block_size')::bigint FROM parts
    """
)
MAY_VACUUM = sa.text(
    """
    SELECT CASE WHEN pg_has_role(c.relowner, 'USAGE') THEN true
                WHEN current_setting('server_version_num')::integer >= 170000
                THEN has_table_privilege(c.oid, 'MAINTAIN') ELSE false END
    FROM pg_catalog.pg_class AS c WHERE c.oid = CAST(:table AS regclass)
    """
)
# Only a superuser may change them, and none for a session.
NOT_DURABLE = sa.text(
    """
    SELECT name FROM pg_catalog.pg_settings
    WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name
    """
)
