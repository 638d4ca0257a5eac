CREATE TABLE IF NOT EXISTS "orders" (
    "order_id" uuid NOT NULL,
    "number" integer NOT NULL,
    "placed_at" timestamptz NOT NULL,
    "status" text NOT NULL,
    "customer_id" text NOT NULL,
    "customer_name" text NOT NULL,
    "customer_email" text,
    "customer_since" date NOT NULL,
    "customer_vip" boolean NOT NULL,
    "shipping_zip" text NOT NULL,
    "shipping_city" text NOT NULL,
    "shipping_country" text NOT NULL,
    "shipping_express" boolean NOT NULL,
    "items" json NOT NULL,
    "total" double precision NOT NULL,
    "points" double precision NOT NULL,
    "coupon" text,
    "gift_note" text
);
COMMENT ON TABLE "orders" IS 'longshore table: column comments hold source paths, form 1';
COMMENT ON COLUMN "orders"."order_id" IS 'longshore path: ["order_id"]';
COMMENT ON COLUMN "orders"."number" IS 'longshore path: ["number"]';
COMMENT ON COLUMN "orders"."placed_at" IS 'longshore path: ["placed_at"]';
COMMENT ON COLUMN "orders"."status" IS 'longshore path: ["status"]';
COMMENT ON COLUMN "orders"."customer_id" IS 'longshore path: ["customer","id"]';
COMMENT ON COLUMN "orders"."customer_name" IS 'longshore path: ["customer","name"]';
COMMENT ON COLUMN "orders"."customer_email" IS 'longshore path: ["customer","email"]';
COMMENT ON COLUMN "orders"."customer_since" IS 'longshore path: ["customer","since"]';
COMMENT ON COLUMN "orders"."customer_vip" IS 'longshore path: ["customer","vip"]';
COMMENT ON COLUMN "orders"."shipping_zip" IS 'longshore path: ["shipping","zip"]';
COMMENT ON COLUMN "orders"."shipping_city" IS 'longshore path: ["shipping","city"]';
COMMENT ON COLUMN "orders"."shipping_country" IS 'longshore path: ["shipping","country"]';
COMMENT ON COLUMN "orders"."shipping_express" IS 'longshore path: ["shipping","express"]';
COMMENT ON COLUMN "orders"."items" IS 'longshore path: ["items"]';
COMMENT ON COLUMN "orders"."total" IS 'longshore path: ["total"]';
COMMENT ON COLUMN "orders"."points" IS 'longshore path: ["points"]';
COMMENT ON COLUMN "orders"."coupon" IS 'longshore path: ["coupon"]';
COMMENT ON COLUMN "orders"."gift_note" IS 'longshore path: ["gift_note"]';
