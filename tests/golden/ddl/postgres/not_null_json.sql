-- creates: a new table of 18 columns
CREATE TABLE IF NOT EXISTS "orders" (
    "_id" uuid NOT NULL,
    "order_number" bigint NOT NULL,
    "order_number_f05e51ea" bigint NOT NULL,
    "customer_id" integer NOT NULL,
    "customer_e_mail" text NOT NULL,
    "customer_address_zip" text NOT NULL,
    "placed_at" timestamptz NOT NULL,
    "ship_by" date NOT NULL,
    "pickup" time NOT NULL,
    "local_time" timestamp NOT NULL,
    "scanned_at" text NOT NULL,
    "total" numeric(12,2) NOT NULL,
    "rate" double precision NOT NULL,
    "gift" boolean NOT NULL,
    "floor" smallint NOT NULL,
    "items" json NOT NULL,
    "note" text NOT NULL,
    "voucher" text
);
-- comment: marks the table (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON TABLE "orders" IS 'longshore table: column comments hold source paths, form 1';
-- comment: keeps the source path of `_id` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."_id" IS 'longshore path: ["_id"]';
-- comment: keeps the source path of `orderNumber` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."order_number" IS 'longshore path: ["orderNumber"]';
-- comment: keeps the source path of `order.number` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."order_number_f05e51ea" IS 'longshore path: ["order.number"]';
-- comment: keeps the source path of `customer.id` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."customer_id" IS 'longshore path: ["customer","id"]';
-- comment: keeps the source path of `customer.e-mail` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."customer_e_mail" IS 'longshore path: ["customer","e-mail"]';
-- comment: keeps the source path of `customer.address.ZIP` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."customer_address_zip" IS 'longshore path: ["customer","address","ZIP"]';
-- comment: keeps the source path of `placedAt` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."placed_at" IS 'longshore path: ["placedAt"]';
-- comment: keeps the source path of `shipBy` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."ship_by" IS 'longshore path: ["shipBy"]';
-- comment: keeps the source path of `pickup` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."pickup" IS 'longshore path: ["pickup"]';
-- comment: keeps the source path of `localTime` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."local_time" IS 'longshore path: ["localTime"]';
-- comment: keeps the source path of `scannedAt` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."scanned_at" IS 'longshore path: ["scannedAt"]';
-- comment: keeps the source path of `total` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."total" IS 'longshore path: ["total"]';
-- comment: keeps the source path of `rate` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."rate" IS 'longshore path: ["rate"]';
-- comment: keeps the source path of `gift` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."gift" IS 'longshore path: ["gift"]';
-- comment: keeps the source path of `floor` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."floor" IS 'longshore path: ["floor"]';
-- comment: keeps the source path of `items` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."items" IS 'longshore path: ["items"]';
-- comment: keeps the source path of `note` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."note" IS 'longshore path: ["note"]';
-- comment: keeps the source path of `voucher` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "orders"."voucher" IS 'longshore path: ["voucher"]';
