-- warning: `items` gets a second column beside `items`: how the server spells a double as text is not what came in
-- warning: the declared widths add up to 66214 bytes a row, and queries stop with an error over rows of more than 65535
-- metadata only: `_id` is VARCHAR(16), and `_id` is uuid (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ALTER COLUMN "_id" TYPE VARCHAR(128);
-- metadata only: `customer_e_mail` is VARCHAR(32), and `customer.e-mail` is text (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ALTER COLUMN "customer_e_mail" TYPE VARCHAR(128);
-- metadata only: `orderNumber` is new (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ADD COLUMN "order_number" BIGINT;
-- comment: keeps the source path of `order_number`
COMMENT ON COLUMN "analytics"."orders"."order_number" IS 'longshore path: ["orderNumber"]';
-- metadata only: `order.number` is new (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ADD COLUMN "order_number_f05e51ea" BIGINT;
-- comment: keeps the source path of `order_number_f05e51ea`
COMMENT ON COLUMN "analytics"."orders"."order_number_f05e51ea" IS 'longshore path: ["order.number"]';
-- adds, copies, swaps: `customer_id` is SMALLINT, and `customer.id` is int32 (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ADD COLUMN "_longshore_new_99e283419aa915a8" INTEGER;
-- adds, copies, swaps: every row's `customer_id` is copied (locks ACCESS EXCLUSIVE)
UPDATE "analytics"."orders" SET "_longshore_new_99e283419aa915a8" = CAST("customer_id" AS INTEGER);
-- adds, copies, swaps: the old column makes room (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" DROP COLUMN "customer_id";
-- adds, copies, swaps: the new one takes its place (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" RENAME COLUMN "_longshore_new_99e283419aa915a8" TO "customer_id";
-- metadata only: `customer.address.ZIP` is new (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ADD COLUMN "customer_address_zip" VARCHAR(16);
-- comment: keeps the source path of `customer_address_zip`
COMMENT ON COLUMN "analytics"."orders"."customer_address_zip" IS 'longshore path: ["customer","address","ZIP"]';
-- metadata only: `pickup` is new (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ADD COLUMN "pickup" TIME;
-- comment: keeps the source path of `pickup`
COMMENT ON COLUMN "analytics"."orders"."pickup" IS 'longshore path: ["pickup"]';
-- metadata only: `localTime` is new (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ADD COLUMN "local_time" TIMESTAMP;
-- comment: keeps the source path of `local_time`
COMMENT ON COLUMN "analytics"."orders"."local_time" IS 'longshore path: ["localTime"]';
-- metadata only: `scannedAt` is new (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ADD COLUMN "scanned_at" VARCHAR(64);
-- comment: keeps the source path of `scanned_at`
COMMENT ON COLUMN "analytics"."orders"."scanned_at" IS 'longshore path: ["scannedAt"]';
-- adds, copies, swaps: `total` is BIGINT, and `total` is decimal(12,2) (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ADD COLUMN "_longshore_new_4738f3f4d6e4339e" DECIMAL(21,2);
-- adds, copies, swaps: every row's `total` is copied (locks ACCESS EXCLUSIVE)
UPDATE "analytics"."orders" SET "_longshore_new_4738f3f4d6e4339e" = CAST("total" AS DECIMAL(21,2));
-- adds, copies, swaps: the old column makes room (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" DROP COLUMN "total";
-- adds, copies, swaps: the new one takes its place (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" RENAME COLUMN "_longshore_new_4738f3f4d6e4339e" TO "total";
-- metadata only: `rate` is new (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ADD COLUMN "rate" DOUBLE PRECISION;
-- comment: keeps the source path of `rate`
COMMENT ON COLUMN "analytics"."orders"."rate" IS 'longshore path: ["rate"]';
-- metadata only: `floor` is new (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ADD COLUMN "floor" SMALLINT;
-- comment: keeps the source path of `floor`
COMMENT ON COLUMN "analytics"."orders"."floor" IS 'longshore path: ["floor"]';
-- metadata only: `items` is new (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ADD COLUMN "items_json" SUPER;
-- comment: keeps the source path of `items_json`
COMMENT ON COLUMN "analytics"."orders"."items_json" IS 'longshore path: ["items"]';
-- metadata only: `note` is new (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ADD COLUMN "note" VARCHAR(65535);
-- comment: keeps the source path of `note`
COMMENT ON COLUMN "analytics"."orders"."note" IS 'longshore path: ["note"]';
-- metadata only: `voucher` is new (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" ADD COLUMN "voucher" VARCHAR(256);
-- comment: keeps the source path of `voucher`
COMMENT ON COLUMN "analytics"."orders"."voucher" IS 'longshore path: ["voucher"]';
