-- creates: a new table of 18 columns
CREATE TABLE "orders" (
    "_id" VARCHAR(36),
    "order_number" BIGINT,
    "order_number_f05e51ea" BIGINT,
    "customer_id" INTEGER,
    "customer_e_mail" VARCHAR(64),
    "customer_address_zip" VARCHAR(16),
    "placed_at" TIMESTAMPTZ,
    "ship_by" DATE,
    "pickup" TIME,
    "local_time" TIMESTAMP,
    "scanned_at" VARCHAR(32),
    "total" DECIMAL(12,2),
    "rate" DOUBLE PRECISION,
    "gift" BOOLEAN,
    "floor" SMALLINT,
    "items" SUPER,
    "note" VARCHAR(16384),
    "voucher" VARCHAR(256)
)
DISTSTYLE EVEN;
