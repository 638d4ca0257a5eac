-- What the double adds to a database of the backing server: what PostgreSQL cannot keep about a table, and Redshift's
-- catalog as views. No session sees this schema's own tables.
CREATE SCHEMA redshift_double;

-- Names that are too long for the backing server, under their short ones.
CREATE TABLE redshift_double.names (short text PRIMARY KEY, long text NOT NULL);

CREATE FUNCTION redshift_double.shown(name) RETURNS text LANGUAGE sql STABLE AS
    $$ SELECT coalesce((SELECT long FROM redshift_double.names WHERE short = $1::text), $1::text) $$;

-- Encodings and keys, of which the backing server knows nothing.
CREATE TABLE redshift_double.attributes (
    relid oid NOT NULL,
    attnum int NOT NULL,
    encoding text,
    distkey boolean NOT NULL DEFAULT false,
    sortkey int NOT NULL DEFAULT 0,
    key boolean NOT NULL DEFAULT false,
    PRIMARY KEY (relid, attnum)
);

CREATE TABLE redshift_double.load_errors (
    query bigint NOT NULL,
    session int NOT NULL,
    starttime timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'),
    relid oid,
    relname text NOT NULL,
    filename text NOT NULL,
    line_number bigint NOT NULL,
    colname text NOT NULL,
    type text NOT NULL,
    col_length text NOT NULL,
    position int NOT NULL,
    raw_line text NOT NULL,
    raw_field_value text NOT NULL,
    err_code int NOT NULL,
    err_reason text NOT NULL
);

CREATE TABLE redshift_double.loads (
    query bigint NOT NULL,
    session int NOT NULL,
    relname text NOT NULL,
    data_source text NOT NULL,
    file_format text NOT NULL,
    filename text NOT NULL,
    lines bigint NOT NULL,
    bytes bigint NOT NULL,
    endtime timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
);

CREATE TABLE redshift_double.spectrum_log (query bigint NOT NULL, message text NOT NULL);

-- `slices`, and `large_strings` for what a server's operator can turn on.
CREATE TABLE redshift_double.options (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO redshift_double.options VALUES ('slices', '2'), ('large_strings', 'off');

CREATE DOMAIN redshift_double.super AS jsonb;
CREATE DOMAIN redshift_double.geometry AS bytea;
CREATE DOMAIN redshift_double.geography AS bytea;
CREATE DOMAIN redshift_double.hllsketch AS bytea;

CREATE FUNCTION redshift_double.version() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT
    'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.100000'::text $$;
CREATE FUNCTION redshift_double.getdate() RETURNS timestamp LANGUAGE sql STABLE AS
    $$ SELECT clock_timestamp() AT TIME ZONE 'UTC' $$;
CREATE FUNCTION redshift_double.sysdate() RETURNS timestamp LANGUAGE sql STABLE AS
    $$ SELECT transaction_timestamp() AT TIME ZONE 'UTC' $$;
CREATE FUNCTION redshift_double.len(text) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT char_length($1) $$;
CREATE FUNCTION redshift_double.nvl(anycompatible, anycompatible) RETURNS anycompatible LANGUAGE sql IMMUTABLE AS
    $$ SELECT coalesce($1, $2) $$;
CREATE FUNCTION redshift_double.convert_timezone(text, text, timestamp) RETURNS timestamp LANGUAGE sql STABLE AS
    $$ SELECT ($3 AT TIME ZONE $1) AT TIME ZONE $2 $$;
CREATE FUNCTION redshift_double.pg_last_copy_count(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$;
CREATE FUNCTION redshift_double.pg_last_copy_id(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$;
CREATE FUNCTION redshift_double.pg_last_query_id(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$;
CREATE FUNCTION redshift_double.is_large_string_enabled() RETURNS boolean LANGUAGE sql STABLE AS
    $$ SELECT value = 'on' FROM redshift_double.options WHERE name = 'large_strings' $$;

-- SUPER: a key twice in one object (but where the last one is to be kept), a string that is too long and too deep a nesting
-- are errors.
CREATE FUNCTION redshift_double.check_super(value json, depth int) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
    item json;
BEGIN
    IF depth > 1000 THEN
        RAISE EXCEPTION 'SUPER nesting is deeper than 1000 levels' USING ERRCODE = 'XX000';
    END IF;
    CASE json_typeof(value)
    WHEN 'object' THEN
        IF coalesce(current_setting('redshift_double.dedup', true), '') NOT IN ('true', 'on')
            AND (SELECT count(*) > count(DISTINCT key) FROM json_object_keys(value) key) THEN
            RAISE EXCEPTION 'JSON parsing error: duplicate key' USING ERRCODE = 'XX000';
        END IF;
        FOR item IN SELECT e.value FROM json_each(value) e WHERE json_typeof(e.value) IN ('object', 'array', 'string') LOOP
            PERFORM redshift_double.check_super(item, depth + 1);
        END LOOP;
    WHEN 'array' THEN
        FOR item IN SELECT e.value FROM json_array_elements(value) e WHERE json_typeof(e.value) IN ('object', 'array', 'string') LOOP
            PERFORM redshift_double.check_super(item, depth + 1);
        END LOOP;
    WHEN 'string' THEN
        IF octet_length(value::text) > 65537 AND octet_length(value #>> '{}') > 65535
            AND NOT redshift_double.is_large_string_enabled() THEN
            RAISE EXCEPTION 'String value exceeds the max size of 65535 bytes' USING ERRCODE = 'XX000';
        END IF;
    ELSE
    END CASE;
END $$;

CREATE FUNCTION redshift_double.json_parse(text) RETURNS redshift_double.super LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    IF octet_length($1) > 16000000 THEN
        RAISE EXCEPTION 'SUPER value exceeds the max size' USING ERRCODE = 'XX000';
    END IF;
    PERFORM redshift_double.check_super($1::json, 0);
    RETURN $1::jsonb;
EXCEPTION WHEN invalid_text_representation OR untranslatable_character THEN
    RAISE EXCEPTION 'JSON parsing error' USING ERRCODE = 'XX000', DETAIL = 'error: invalid json object';
END $$;
CREATE FUNCTION redshift_double.json_serialize(jsonb) RETURNS varchar LANGUAGE sql IMMUTABLE AS $$ SELECT $1::text::varchar $$;
CREATE FUNCTION redshift_double.json_typeof(jsonb) RETURNS varchar LANGUAGE sql IMMUTABLE AS $$ SELECT jsonb_typeof($1)::varchar $$;
CREATE FUNCTION redshift_double.can_json_parse(text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM redshift_double.json_parse($1);
    RETURN $1 IS NOT NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END $$;
-- A text that is put into SUPER without JSON_PARSE becomes one string.
CREATE FUNCTION redshift_double.string_super(varchar) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$ SELECT to_jsonb($1::text) $$;
CREATE CAST (varchar AS jsonb) WITH FUNCTION redshift_double.string_super(varchar) AS ASSIGNMENT;

-- Types as a session sees them: the number, the modifier and the name.
CREATE VIEW redshift_double.column_types AS
SELECT a.attrelid, a.attnum, d.typname AS domain,
    (CASE WHEN d.typname IS NULL THEN a.atttypid::bigint WHEN d.typname LIKE 'varchar\_%' THEN 1043
        WHEN d.typname LIKE 'char\_%' THEN 1042 WHEN d.typname LIKE 'decimal\_%' THEN 1700 WHEN d.typname LIKE 'varbyte\_%' THEN 6551
        WHEN d.typname = 'super' THEN 4000 WHEN d.typname = 'geometry' THEN 3000 ELSE 3001 END)::oid AS typid,
    CASE WHEN d.typname IS NULL THEN a.atttypmod
        WHEN d.typname LIKE 'decimal\_%' THEN (19 << 16) + split_part(d.typname, '_', 3)::int + 4
        WHEN d.typname ~ '_' THEN split_part(d.typname, '_', 2)::int + 4 ELSE -1 END AS typmod
FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_type d
    ON d.oid = a.atttypid AND d.typtype = 'd' AND d.typnamespace = 'redshift_double'::regnamespace;

CREATE FUNCTION redshift_double.format_type(oid, int) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN $1 = 4000 THEN 'super' WHEN $1 = 3000 THEN 'geometry' WHEN $1 = 3001 THEN 'geography'
        WHEN $1 = 6551 THEN 'binary varying' || CASE WHEN $2 > 0 THEN '(' || ($2 - 4) || ')' ELSE '' END
        ELSE pg_catalog.format_type($1, $2) END $$;

CREATE VIEW redshift_double.pg_namespace AS
SELECT n.oid, redshift_double.shown(n.nspname) AS nspname, n.nspowner, n.nspacl
FROM pg_catalog.pg_namespace n WHERE n.nspname <> 'redshift_double';

CREATE VIEW redshift_double.pg_class AS
SELECT c.oid, redshift_double.shown(c.relname) AS relname, c.relnamespace, c.reltype, c.relowner, c.relam, c.relfilenode,
    c.relpages, c.reltuples::real AS reltuples, c.relkind, c.relnatts, c.relchecks, c.relhasrules, c.relacl
FROM pg_catalog.pg_class c WHERE c.relnamespace <> 'redshift_double'::regnamespace;

CREATE VIEW redshift_double.pg_attribute AS
SELECT a.attrelid, redshift_double.shown(a.attname) AS attname, t.typid AS atttypid, a.attstattarget, a.attlen, a.attnum,
    a.attndims, t.typmod AS atttypmod, a.attbyval, a.attstorage, a.attalign, a.attnotnull, a.atthasdef, a.attisdropped,
    a.attislocal, a.attinhcount,
    coalesce(x.distkey, false) AS attisdistkey, coalesce(x.sortkey, 0) AS attsortkeyord
FROM pg_catalog.pg_attribute a JOIN redshift_double.column_types t ON t.attrelid = a.attrelid AND t.attnum = a.attnum
LEFT JOIN redshift_double.attributes x ON x.relid = a.attrelid AND x.attnum = a.attnum;

CREATE VIEW redshift_double.pg_type AS
SELECT oid, typname, typnamespace, typowner, typlen, typbyval, typtype, typisdefined, typdelim, typrelid, typelem,
    typalign, typstorage, typnotnull, typbasetype, typtypmod, typndims, typdefault
FROM pg_catalog.pg_type WHERE typnamespace <> 'redshift_double'::regnamespace;

CREATE VIEW redshift_double.pg_attrdef AS
SELECT oid, adrelid, adnum, adbin::text AS adbin, pg_get_expr(adbin, adrelid) AS adsrc FROM pg_catalog.pg_attrdef;
CREATE VIEW redshift_double.pg_description AS SELECT objoid, classoid, objsubid, description FROM pg_catalog.pg_description;
CREATE VIEW redshift_double.pg_constraint AS
SELECT oid, conname, connamespace, contype, condeferrable, condeferred, conrelid, contypid, confrelid, conkey, confkey
FROM pg_catalog.pg_constraint WHERE contype IN ('p', 'u', 'f') AND connamespace <> 'redshift_double'::regnamespace;
CREATE VIEW redshift_double.pg_depend AS SELECT * FROM pg_catalog.pg_depend;
CREATE VIEW redshift_double.pg_rewrite AS SELECT oid, rulename, ev_class, ev_type, is_instead FROM pg_catalog.pg_rewrite;
CREATE VIEW redshift_double.pg_database AS SELECT oid, datname, datdba, encoding, datallowconn FROM pg_catalog.pg_database;
CREATE VIEW redshift_double.pg_user AS SELECT usename, usesysid, usecreatedb, usesuper FROM pg_catalog.pg_user;
CREATE VIEW redshift_double.pg_tables AS
SELECT redshift_double.shown(schemaname) AS schemaname, redshift_double.shown(tablename) AS tablename, tableowner
FROM pg_catalog.pg_tables WHERE schemaname <> 'redshift_double';
CREATE VIEW redshift_double.pg_views AS
SELECT redshift_double.shown(schemaname) AS schemaname, redshift_double.shown(viewname) AS viewname, viewowner, definition
FROM pg_catalog.pg_views WHERE schemaname <> 'redshift_double';

CREATE VIEW redshift_double.svv_columns AS
SELECT current_database()::text AS table_catalog, n.nspname AS table_schema, c.relname AS table_name, a.attname AS column_name,
    a.attnum::int AS ordinal_position, pg_get_expr(d.adbin, d.adrelid) AS column_default,
    CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable,
    regexp_replace(redshift_double.format_type(a.atttypid, a.atttypmod), '\(.*\)', '') AS data_type,
    CASE WHEN a.atttypid IN (1042, 1043) THEN a.atttypmod - 4 END AS character_maximum_length,
    CASE a.atttypid WHEN 21 THEN 16 WHEN 23 THEN 32 WHEN 20 THEN 64 WHEN 1700 THEN ((a.atttypmod - 4) >> 16) & 65535 END AS numeric_precision,
    CASE WHEN a.atttypid = 1700 THEN (a.atttypmod - 4) & 65535 WHEN a.atttypid IN (20, 21, 23) THEN 0 END AS numeric_scale,
    ds.description AS remarks
FROM redshift_double.pg_class c
JOIN redshift_double.pg_namespace n ON n.oid = c.relnamespace
JOIN redshift_double.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_description ds ON ds.objoid = c.oid AND ds.objsubid = a.attnum AND ds.classoid = 'pg_catalog.pg_class'::regclass
WHERE c.relkind IN ('r', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast');
CREATE VIEW redshift_double.information_schema_columns AS SELECT * FROM redshift_double.svv_columns;

CREATE VIEW redshift_double.svv_tables AS
SELECT current_database()::text AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
    CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type,
    obj_description(c.oid, 'pg_class') AS remarks
FROM redshift_double.pg_class c JOIN redshift_double.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast');
CREATE VIEW redshift_double.information_schema_tables AS SELECT * FROM redshift_double.svv_tables;
CREATE VIEW redshift_double.information_schema_schemata AS
SELECT current_database()::text AS catalog_name, nspname AS schema_name FROM redshift_double.pg_namespace;

-- Only the schemas of the search path, as on Redshift.
CREATE VIEW redshift_double.pg_table_def AS
SELECT n.nspname AS schemaname, c.relname AS tablename, a.attname AS "column",
    redshift_double.format_type(a.atttypid, a.atttypmod) AS type, coalesce(x.encoding, 'none') AS encoding,
    a.attisdistkey AS distkey, a.attsortkeyord AS sortkey, a.attnotnull AS "notnull"
FROM redshift_double.pg_class c JOIN redshift_double.pg_namespace n ON n.oid = c.relnamespace
JOIN redshift_double.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN redshift_double.attributes x ON x.relid = c.oid AND x.attnum = a.attnum
WHERE c.relkind = 'r' AND n.nspname = ANY (current_schemas(false)::text[]);

CREATE VIEW redshift_double.svv_table_info AS
SELECT current_database()::text AS database, n.nspname AS schema, c.oid AS table_id, c.relname AS "table",
    CASE WHEN bool_or(a.attisdistkey) THEN 'KEY(' || max(CASE WHEN a.attisdistkey THEN a.attname END) || ')' ELSE 'AUTO(EVEN)' END AS diststyle,
    max(CASE WHEN a.attsortkeyord = 1 THEN a.attname END) AS sortkey1, max(c.reltuples)::numeric AS tbl_rows
FROM redshift_double.pg_class c JOIN redshift_double.pg_namespace n ON n.oid = c.relnamespace
JOIN redshift_double.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') GROUP BY n.nspname, c.oid, c.relname;

CREATE VIEW redshift_double.stv_slices AS
SELECT 0 AS node, s - 1 AS slice, s - 1 AS localslice, 'D'::character(1) AS type
FROM generate_series(1, (SELECT value::int FROM redshift_double.options WHERE name = 'slices')) s;
CREATE VIEW redshift_double.stv_sessions AS
SELECT backend_start AT TIME ZONE 'UTC' AS starttime, pid AS process, usename AS user_name, datname AS db_name FROM pg_catalog.pg_stat_activity;
CREATE VIEW redshift_double.stv_db_isolation_level AS
SELECT datname AS db_name, 'Snapshot Isolation'::text AS isolation_level FROM pg_catalog.pg_database;

CREATE VIEW redshift_double.stl_load_errors AS
SELECT 100 AS userid, 0 AS slice, relid::int AS tbl, starttime, session, query, filename::character(256) AS filename, line_number,
    colname::character(127) AS colname, type::character(10) AS type, col_length::character(10) AS col_length, position,
    raw_line::character(1024) AS raw_line, raw_field_value::character(1024) AS raw_field_value, err_code, err_reason::character(100) AS err_reason
FROM redshift_double.load_errors;
CREATE VIEW redshift_double.stl_loaderror_detail AS
SELECT userid, slice, session, query, filename, line_number, NULL::int AS field, colname, raw_field_value AS value, false AS is_null, type, col_length
FROM redshift_double.stl_load_errors;
CREATE VIEW redshift_double.sys_load_error_detail AS
SELECT 100 AS user_id, query AS query_id, 0::bigint AS transaction_id, session AS session_id, current_database()::character(64) AS database_name,
    relid::int AS table_id, starttime AS start_time, filename::character(256) AS file_name, line_number, colname::character(127) AS column_name,
    type::character(10) AS column_type, col_length::character(10) AS column_length, position, err_code AS error_code,
    err_reason::character(512) AS error_message
FROM redshift_double.load_errors;
CREATE VIEW redshift_double.stl_load_commits AS
SELECT 100 AS userid, query, 0 AS slice, relname::character(256) AS name, filename::character(256) AS filename, lines AS lines_scanned,
    endtime AS curtime, 1 AS status FROM redshift_double.loads;
CREATE VIEW redshift_double.sys_load_detail AS
SELECT 100 AS user_id, query AS query_id, filename::character(256) AS file_name, bytes AS bytes_scanned, lines AS lines_scanned FROM redshift_double.loads;
CREATE VIEW redshift_double.sys_load_history AS
SELECT 100 AS user_id, query AS query_id, 0::bigint AS transaction_id, session AS session_id, current_database()::text AS database_name,
    'completed'::text AS status, relname AS table_name, max(endtime) AS end_time, data_source, file_format, sum(lines)::bigint AS loaded_rows,
    sum(bytes)::bigint AS loaded_bytes, count(*) AS source_file_count, 0 AS error_count
FROM redshift_double.loads GROUP BY query, session, relname, data_source, file_format;
CREATE VIEW redshift_double.svl_s3log AS SELECT query, 0 AS pid, message::character(512) AS message FROM redshift_double.spectrum_log;
