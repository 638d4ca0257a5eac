CREATE TABLE "rail"."stations" (
    "station_id" VARCHAR(16),
    "name" VARCHAR(32),
    "operator" VARCHAR(64),
    "opened" DATE,
    "elevation_m" SMALLINT,
    "latitude" DOUBLE PRECISION,
    "longitude" DOUBLE PRECISION,
    "step_free" BOOLEAN,
    "platforms" SMALLINT,
    "last_inspected" TIMESTAMP,
    "note" VARCHAR(128)
)
DISTSTYLE KEY
DISTKEY ("station_id")
COMPOUND SORTKEY ("opened", "name");
COMMENT ON TABLE "rail"."stations" IS 'longshore table: column comments hold source paths, form 1';
COMMENT ON COLUMN "rail"."stations"."station_id" IS 'longshore path: ["station_id"]';
COMMENT ON COLUMN "rail"."stations"."name" IS 'longshore path: ["name"]';
COMMENT ON COLUMN "rail"."stations"."operator" IS 'longshore path: ["operator"]';
COMMENT ON COLUMN "rail"."stations"."opened" IS 'longshore path: ["opened"]';
COMMENT ON COLUMN "rail"."stations"."elevation_m" IS 'longshore path: ["elevation_m"]';
COMMENT ON COLUMN "rail"."stations"."latitude" IS 'longshore path: ["latitude"]';
COMMENT ON COLUMN "rail"."stations"."longitude" IS 'longshore path: ["longitude"]';
COMMENT ON COLUMN "rail"."stations"."step_free" IS 'longshore path: ["step_free"]';
COMMENT ON COLUMN "rail"."stations"."platforms" IS 'longshore path: ["platforms"]';
COMMENT ON COLUMN "rail"."stations"."last_inspected" IS 'longshore path: ["last_inspected"]';
COMMENT ON COLUMN "rail"."stations"."note" IS 'longshore path: ["note"]';
