-- Loads 1 of 3 records into "shop"."orders", once; 2 go to the quarantine.
-- It may be run again, and by two at once: what the ledger has is not loaded again, also where a newer
-- load has replaced it.
-- Run it whole, in one session, and stop at the first error; nothing is loaded then.
SET json_parse_dedup_attributes TO true;
CREATE SCHEMA IF NOT EXISTS "shop";
CREATE TABLE IF NOT EXISTS "shop"."_longshore_loads" (
    "table_name" VARCHAR(127) NOT NULL,
    "load_id" VARCHAR(1024) NOT NULL,
    "committed_at" TIMESTAMPTZ NOT NULL,
    "read" BIGINT NOT NULL,
    "loaded" BIGINT NOT NULL,
    "quarantined" BIGINT NOT NULL,
    "deduplicated" BIGINT NOT NULL,
    "bytes" BIGINT NOT NULL,
    "content_hash" VARCHAR(256) NOT NULL,
    "longshore_version" VARCHAR(64) NOT NULL,
    "replaced_by" VARCHAR(1024)
);
CREATE TABLE IF NOT EXISTS "shop"."_longshore_quarantine" (
    "table_name" VARCHAR(127) NOT NULL,
    "load_id" VARCHAR(1024) NOT NULL,
    "quarantined_at" TIMESTAMP NOT NULL DEFAULT GETDATE(),
    "source" VARCHAR(4096) NOT NULL,
    "line" BIGINT NOT NULL,
    "byte" BIGINT NOT NULL,
    "path" VARCHAR(16384),
    "reason" VARCHAR(4096) NOT NULL,
    "raw" VARBYTE(1024000),
    "raw_bytes" BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS "shop"."orders" (
    "id" SMALLINT,
    "name" VARCHAR(16),
    "tags" SUPER,
    "at" VARCHAR(16)
);
COMMENT ON TABLE "shop"."orders" IS 'longshore table: column comments hold source paths, form 1';
COMMENT ON COLUMN "shop"."orders"."id" IS 'longshore path: ["id"]';
COMMENT ON COLUMN "shop"."orders"."name" IS 'longshore path: ["name"]';
COMMENT ON COLUMN "shop"."orders"."tags" IS 'longshore path: ["tags"]';
COMMENT ON COLUMN "shop"."orders"."at" IS 'longshore path: ["at"]';
-- The files, into tables that are this session's own.
DROP TABLE IF EXISTS "_longshore_18aa4baf95441d4a";
CREATE TEMP TABLE "_longshore_18aa4baf95441d4a" (
    "id" SMALLINT,
    "name" VARCHAR(1),
    "tags" VARCHAR(5),
    "at" VARCHAR(8),
    "_longshore_row" BIGINT
);
COPY "_longshore_18aa4baf95441d4a" ("id", "name", "tags", "at", "_longshore_row") FROM 'file:///STAGING/shop.orders/merge/ATTEMPT/manifest.json' IAM_ROLE 'arn:aws:iam::123456789012:role/o''hara' FORMAT AS PARQUET MANIFEST;
DROP TABLE IF EXISTS "_longshore_18aa4baf95441d4a_q";
CREATE TEMP TABLE "_longshore_18aa4baf95441d4a_q" (
    "table_name" VARCHAR(127) NOT NULL,
    "load_id" VARCHAR(1024) NOT NULL,
    "source" VARCHAR(4096) NOT NULL,
    "line" BIGINT NOT NULL,
    "byte" BIGINT NOT NULL,
    "path" VARCHAR(16384),
    "reason" VARCHAR(4096) NOT NULL,
    "raw" VARBYTE(1024000),
    "raw_bytes" BIGINT NOT NULL
);
COPY "_longshore_18aa4baf95441d4a_q" ("table_name", "load_id", "source", "line", "byte", "path", "reason", "raw", "raw_bytes") FROM 'file:///STAGING/shop.orders/merge/ATTEMPT/quarantine.manifest.json' IAM_ROLE 'arn:aws:iam::123456789012:role/o''hara' FORMAT AS CSV GZIP MANIFEST NULL AS '@longshore.null@';
-- A transaction of its own, with the lock before anything is read.
COMMIT;
BEGIN;
LOCK TABLE "shop"."_longshore_loads";
LOCK TABLE "shop"."orders";
-- Fails if a column is missing, or would round numbers or cut texts that are put into it.
SELECT 1 / CASE WHEN COUNT(*) = 4 THEN 1 ELSE 0 END AS every_column_holds_its_values FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'shop' AND c.relname = 'orders' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND (
    (a.attname IN ('id') AND (format_type(a.atttypid, a.atttypmod) IN ('smallint', 'integer', 'bigint') OR format_type(a.atttypid, a.atttypmod) = 'double precision' OR (format_type(a.atttypid, a.atttypmod) LIKE 'numeric%' AND MOD(a.atttypmod - 4, 65536) >= 0)))
    OR (a.attname IN ('name') AND (format_type(a.atttypid, a.atttypmod) LIKE 'character varying%' AND a.atttypmod - 4 >= 1))
    OR (a.attname IN ('at') AND (format_type(a.atttypid, a.atttypmod) LIKE 'character varying%' AND a.atttypmod - 4 >= 8))
    OR (a.attname IN ('tags') AND format_type(a.atttypid, a.atttypmod) = 'super')
);
DELETE FROM "shop"."_longshore_quarantine" WHERE table_name = 'orders' AND load_id = 'merge' AND NOT EXISTS (SELECT 1 FROM "shop"."_longshore_loads" WHERE table_name = 'orders' AND load_id = 'merge');
SELECT 1 / CASE WHEN COUNT(*) = 1 THEN 1 ELSE 0 END AS every_row_is_there FROM "_longshore_18aa4baf95441d4a";
DELETE FROM "_longshore_18aa4baf95441d4a" WHERE "_longshore_row" IN (SELECT "_longshore_row" FROM (SELECT "_longshore_row", ROW_NUMBER() OVER (PARTITION BY "id", "name", OCTET_LENGTH("name") ORDER BY "at" DESC NULLS LAST, "_longshore_row" DESC) AS nth FROM "_longshore_18aa4baf95441d4a") AS ranked WHERE nth > 1);
DELETE FROM "_longshore_18aa4baf95441d4a" USING "shop"."orders" WHERE "orders"."id" = "_longshore_18aa4baf95441d4a"."id" AND "orders"."name" = "_longshore_18aa4baf95441d4a"."name" AND OCTET_LENGTH("orders"."name") = OCTET_LENGTH("_longshore_18aa4baf95441d4a"."name") AND ("orders"."at" > "_longshore_18aa4baf95441d4a"."at" OR ("_longshore_18aa4baf95441d4a"."at" IS NULL AND "orders"."at" IS NOT NULL));
SELECT 1 / CASE WHEN COUNT(*) = 2 THEN 1 ELSE 0 END AS every_row_is_there FROM "_longshore_18aa4baf95441d4a_q";
INSERT INTO "shop"."_longshore_quarantine" ("table_name", "load_id", "source", "line", "byte", "path", "reason", "raw", "raw_bytes")
SELECT "table_name", "load_id", "source", "line", "byte", "path", "reason", "raw", "raw_bytes"
FROM "_longshore_18aa4baf95441d4a_q"
WHERE NOT EXISTS (SELECT 1 FROM "shop"."_longshore_loads" WHERE table_name = 'orders' AND load_id = 'merge');
DELETE FROM "_longshore_18aa4baf95441d4a" WHERE EXISTS (SELECT 1 FROM "shop"."_longshore_loads" WHERE table_name = 'orders' AND load_id = 'merge');
INSERT INTO "shop"."_longshore_loads" (table_name, load_id, committed_at, read, loaded, quarantined, deduplicated, bytes, content_hash, longshore_version)
SELECT 'orders', 'merge', CAST(GETDATE() AS TIMESTAMPTZ), 3, (SELECT COUNT(*) FROM "_longshore_18aa4baf95441d4a"), 2, 1 - (SELECT COUNT(*) FROM "_longshore_18aa4baf95441d4a"), 80, '60ad5afe3a0fbcd7547bcc1e2953cf6e', '0.1.0'
WHERE NOT EXISTS (SELECT 1 FROM "shop"."_longshore_loads" WHERE table_name = 'orders' AND load_id = 'merge');
UPDATE "shop"."orders" SET "tags" = JSON_PARSE("_longshore_18aa4baf95441d4a"."tags"), "at" = "_longshore_18aa4baf95441d4a"."at" FROM "_longshore_18aa4baf95441d4a" WHERE "orders"."id" = "_longshore_18aa4baf95441d4a"."id" AND "orders"."name" = "_longshore_18aa4baf95441d4a"."name" AND OCTET_LENGTH("orders"."name") = OCTET_LENGTH("_longshore_18aa4baf95441d4a"."name");
DELETE FROM "_longshore_18aa4baf95441d4a" USING "shop"."orders" WHERE "orders"."id" = "_longshore_18aa4baf95441d4a"."id" AND "orders"."name" = "_longshore_18aa4baf95441d4a"."name" AND OCTET_LENGTH("orders"."name") = OCTET_LENGTH("_longshore_18aa4baf95441d4a"."name");
INSERT INTO "shop"."orders" ("id", "name", "tags", "at")
SELECT "_longshore_18aa4baf95441d4a"."id", "_longshore_18aa4baf95441d4a"."name", JSON_PARSE("_longshore_18aa4baf95441d4a"."tags"), "_longshore_18aa4baf95441d4a"."at"
FROM "_longshore_18aa4baf95441d4a";
COMMIT;
