-- Changes "shop"."orders" for a load: to be run once, before load.redshift.sql.
-- Run it in one session, and stop at the first error: it says that the table is no longer as it was listed.
-- Nothing is lost then: list its columns anew, and stage the load again under another load id.
SELECT 1 / CASE WHEN COUNT(*) = 2 THEN 1 ELSE 0 END AS every_column_is_as_it_was_listed FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'shop' AND c.relname = 'orders' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND (
    (a.attname = 'id' AND format_type(a.atttypid, a.atttypmod) = 'smallint')
    OR (a.attname = 'name' AND format_type(a.atttypid, a.atttypmod) LIKE 'character varying%' AND a.atttypmod - 4 <= 32)
);
-- Outside of any transaction.
COMMIT;
ALTER TABLE "shop"."orders" ALTER COLUMN "name" TYPE VARCHAR(32);
BEGIN;
LOCK TABLE "shop"."orders";
SELECT 1 / CASE WHEN COUNT(*) = 1 THEN 1 ELSE 0 END AS every_column_is_as_it_was_listed FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'shop' AND c.relname = 'orders' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND (
    (a.attname = 'id' AND format_type(a.atttypid, a.atttypmod) = 'smallint')
);
ALTER TABLE "shop"."orders" ADD COLUMN "_longshore_new_23c7cdb118db77dd" INTEGER;
UPDATE "shop"."orders" SET "_longshore_new_23c7cdb118db77dd" = CAST("id" AS INTEGER);
ALTER TABLE "shop"."orders" DROP COLUMN "id";
ALTER TABLE "shop"."orders" RENAME COLUMN "_longshore_new_23c7cdb118db77dd" TO "id";
ALTER TABLE "shop"."orders" ADD COLUMN "new" BOOLEAN;
COMMENT ON COLUMN "shop"."orders"."new" IS 'longshore path: ["new"]';
COMMIT;
-- All is changed. What an earlier version left is dropped, unless a view uses it.
ALTER TABLE "shop"."orders" DROP COLUMN "_longshore_old_0123456789abcdef";
