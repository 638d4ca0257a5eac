-- creates: a new table of 18 columns
CREATE TABLE "analytics"."orders" (
    "_id" uuid,
    "order_number" bigint,
    "order_number_f05e51ea" bigint,
    "customer_id" integer,
    "customer_e_mail" text,
    "customer_address_zip" text,
    "placed_at" timestamptz,
    "ship_by" date,
    "pickup" time,
    "local_time" timestamp,
    "scanned_at" text,
    "total" numeric(12,2),
    "rate" double precision,
    "gift" boolean,
    "floor" smallint,
    "items" jsonb,
    "note" text,
    "voucher" text
);
-- comment: marks the table
COMMENT ON TABLE "analytics"."orders" IS 'longshore table: column comments hold source paths, form 1';
-- comment: keeps the source path of `_id`
COMMENT ON COLUMN "analytics"."orders"."_id" IS 'longshore path: ["_id"]';
-- comment: keeps the source path of `orderNumber`
COMMENT ON COLUMN "analytics"."orders"."order_number" IS 'longshore path: ["orderNumber"]';
-- comment: keeps the source path of `order.number`
COMMENT ON COLUMN "analytics"."orders"."order_number_f05e51ea" IS 'longshore path: ["order.number"]';
-- comment: keeps the source path of `customer.id`
COMMENT ON COLUMN "analytics"."orders"."customer_id" IS 'longshore path: ["customer","id"]';
-- comment: keeps the source path of `customer.e-mail`
COMMENT ON COLUMN "analytics"."orders"."customer_e_mail" IS 'longshore path: ["customer","e-mail"]';
-- comment: keeps the source path of `customer.address.ZIP`
COMMENT ON COLUMN "analytics"."orders"."customer_address_zip" IS 'longshore path: ["customer","address","ZIP"]';
-- comment: keeps the source path of `placedAt`
COMMENT ON COLUMN "analytics"."orders"."placed_at" IS 'longshore path: ["placedAt"]';
-- comment: keeps the source path of `shipBy`
COMMENT ON COLUMN "analytics"."orders"."ship_by" IS 'longshore path: ["shipBy"]';
-- comment: keeps the source path of `pickup`
COMMENT ON COLUMN "analytics"."orders"."pickup" IS 'longshore path: ["pickup"]';
-- comment: keeps the source path of `localTime`
COMMENT ON COLUMN "analytics"."orders"."local_time" IS 'longshore path: ["localTime"]';
-- comment: keeps the source path of `scannedAt`
COMMENT ON COLUMN "analytics"."orders"."scanned_at" IS 'longshore path: ["scannedAt"]';
-- comment: keeps the source path of `total`
COMMENT ON COLUMN "analytics"."orders"."total" IS 'longshore path: ["total"]';
-- comment: keeps the source path of `rate`
COMMENT ON COLUMN "analytics"."orders"."rate" IS 'longshore path: ["rate"]';
-- comment: keeps the source path of `gift`
COMMENT ON COLUMN "analytics"."orders"."gift" IS 'longshore path: ["gift"]';
-- comment: keeps the source path of `floor`
COMMENT ON COLUMN "analytics"."orders"."floor" IS 'longshore path: ["floor"]';
-- comment: keeps the source path of `items`
COMMENT ON COLUMN "analytics"."orders"."items" IS 'longshore path: ["items"]';
-- comment: keeps the source path of `note`
COMMENT ON COLUMN "analytics"."orders"."note" IS 'longshore path: ["note"]';
-- comment: keeps the source path of `voucher`
COMMENT ON COLUMN "analytics"."orders"."voucher" IS 'longshore path: ["voucher"]';
