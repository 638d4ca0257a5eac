-- metadata only: `Order_Number` is numeric(10,2), and `orderNumber` is int64 of up to 12 bytes; `order.number` is new; `customer_e_mail` is varchar(20), and `customer.e-mail` is text of up to 61 bytes; `customer.address.ZIP` is new; `placed_at` is timestamptz(3), and `placedAt` is timestamptz; `pickup` is new; `localTime` is new; `scannedAt` is new; `rate` is new; `floor` is new; `note` is new; `voucher` is new (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders"
    ALTER COLUMN "Order_Number" TYPE numeric(14,2),
    ADD COLUMN "order_number_f05e51ea" bigint,
    ALTER COLUMN "customer_e_mail" TYPE text,
    ADD COLUMN "customer_address_zip" text,
    ALTER COLUMN "placed_at" TYPE timestamptz,
    ADD COLUMN "pickup" time,
    ADD COLUMN "local_time" timestamp,
    ADD COLUMN "scanned_at" text,
    ADD COLUMN "rate" double precision,
    ADD COLUMN "floor" smallint,
    ADD COLUMN "note" text,
    ADD COLUMN "voucher" text;
-- rewrites the table: `customer_id` is smallint, and `customer.id` is int32 of up to 9 bytes; `total` is integer, and `total` is decimal(12,2); `gift` is uuid, and `gift` is boolean; `items` is double precision, and `items` is json (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders"
    ALTER COLUMN "customer_id" TYPE integer,
    ALTER COLUMN "total" TYPE numeric(12,2),
    ALTER COLUMN "gift" TYPE text USING "gift"::text,
    ALTER COLUMN "items" TYPE jsonb USING CASE WHEN length(ltrim(translate(split_part("items"::text, 'e', 1), '-.', ''), '0')) > 15 AND abs("items") < 1.7976931348623e308 THEN CASE WHEN "items"::numeric::float8 = "items" THEN to_jsonb("items"::numeric) ELSE to_jsonb("items") END ELSE to_jsonb("items") END;
-- comment: keeps the source path of `order.number` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "analytics"."orders"."order_number_f05e51ea" IS 'longshore path: ["order.number"]';
-- comment: keeps the source path of `customer.address.ZIP` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "analytics"."orders"."customer_address_zip" IS 'longshore path: ["customer","address","ZIP"]';
-- comment: keeps the source path of `pickup` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "analytics"."orders"."pickup" IS 'longshore path: ["pickup"]';
-- comment: keeps the source path of `localTime` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "analytics"."orders"."local_time" IS 'longshore path: ["localTime"]';
-- comment: keeps the source path of `scannedAt` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "analytics"."orders"."scanned_at" IS 'longshore path: ["scannedAt"]';
-- comment: keeps the source path of `rate` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "analytics"."orders"."rate" IS 'longshore path: ["rate"]';
-- comment: keeps the source path of `floor` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "analytics"."orders"."floor" IS 'longshore path: ["floor"]';
-- comment: keeps the source path of `note` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "analytics"."orders"."note" IS 'longshore path: ["note"]';
-- comment: keeps the source path of `voucher` (locks SHARE UPDATE EXCLUSIVE)
COMMENT ON COLUMN "analytics"."orders"."voucher" IS 'longshore path: ["voucher"]';
