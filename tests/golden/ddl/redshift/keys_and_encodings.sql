-- warning: the declared widths add up to 66102 bytes a row, and queries stop with an error over rows of more than 65535
-- warning: a named encoding turns ENCODE AUTO off for the whole table
-- creates: a new table of 18 columns
CREATE TABLE IF NOT EXISTS "orders" (
    "_id" VARCHAR(36) NOT NULL,
    "order_number" BIGINT NOT NULL,
    "order_number_f05e51ea" BIGINT NOT NULL,
    "customer_id" INTEGER NOT NULL,
    "customer_e_mail" VARCHAR(128) NOT NULL,
    "customer_address_zip" VARCHAR(16) NOT NULL,
    "placed_at" TIMESTAMPTZ NOT NULL,
    "ship_by" DATE NOT NULL,
    "pickup" TIME NOT NULL,
    "local_time" TIMESTAMP NOT NULL,
    "scanned_at" VARCHAR(64) NOT NULL,
    "total" DECIMAL(12,2) ENCODE AZ64 NOT NULL,
    "rate" DOUBLE PRECISION NOT NULL,
    "gift" BOOLEAN NOT NULL,
    "floor" SMALLINT NOT NULL,
    "items" SUPER NOT NULL,
    "note" VARCHAR(65535) ENCODE ZSTD NOT NULL,
    "voucher" VARCHAR(256)
)
DISTSTYLE KEY
DISTKEY ("customer_id")
COMPOUND SORTKEY ("placed_at", "order_number");
-- comment: marks the table
COMMENT ON TABLE "orders" IS 'longshore table: column comments hold source paths, form 1';
-- comment: keeps the source path of `_id`
COMMENT ON COLUMN "orders"."_id" IS 'longshore path: ["_id"]';
-- comment: keeps the source path of `orderNumber`
COMMENT ON COLUMN "orders"."order_number" IS 'longshore path: ["orderNumber"]';
-- comment: keeps the source path of `order.number`
COMMENT ON COLUMN "orders"."order_number_f05e51ea" IS 'longshore path: ["order.number"]';
-- comment: keeps the source path of `customer.id`
COMMENT ON COLUMN "orders"."customer_id" IS 'longshore path: ["customer","id"]';
-- comment: keeps the source path of `customer.e-mail`
COMMENT ON COLUMN "orders"."customer_e_mail" IS 'longshore path: ["customer","e-mail"]';
-- comment: keeps the source path of `customer.address.ZIP`
COMMENT ON COLUMN "orders"."customer_address_zip" IS 'longshore path: ["customer","address","ZIP"]';
-- comment: keeps the source path of `placedAt`
COMMENT ON COLUMN "orders"."placed_at" IS 'longshore path: ["placedAt"]';
-- comment: keeps the source path of `shipBy`
COMMENT ON COLUMN "orders"."ship_by" IS 'longshore path: ["shipBy"]';
-- comment: keeps the source path of `pickup`
COMMENT ON COLUMN "orders"."pickup" IS 'longshore path: ["pickup"]';
-- comment: keeps the source path of `localTime`
COMMENT ON COLUMN "orders"."local_time" IS 'longshore path: ["localTime"]';
-- comment: keeps the source path of `scannedAt`
COMMENT ON COLUMN "orders"."scanned_at" IS 'longshore path: ["scannedAt"]';
-- comment: keeps the source path of `total`
COMMENT ON COLUMN "orders"."total" IS 'longshore path: ["total"]';
-- comment: keeps the source path of `rate`
COMMENT ON COLUMN "orders"."rate" IS 'longshore path: ["rate"]';
-- comment: keeps the source path of `gift`
COMMENT ON COLUMN "orders"."gift" IS 'longshore path: ["gift"]';
-- comment: keeps the source path of `floor`
COMMENT ON COLUMN "orders"."floor" IS 'longshore path: ["floor"]';
-- comment: keeps the source path of `items`
COMMENT ON COLUMN "orders"."items" IS 'longshore path: ["items"]';
-- comment: keeps the source path of `note`
COMMENT ON COLUMN "orders"."note" IS 'longshore path: ["note"]';
-- comment: keeps the source path of `voucher`
COMMENT ON COLUMN "orders"."voucher" IS 'longshore path: ["voucher"]';
