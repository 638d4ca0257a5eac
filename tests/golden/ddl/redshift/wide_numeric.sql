-- creates: a new table of 9 columns
CREATE TABLE "numbers" (
    "d_1_0" DECIMAL(1,0),
    "d_9_9" DECIMAL(9,9),
    "d_18_4" DECIMAL(18,4),
    "d_19_0" DECIMAL(20,0),
    "d_19_19" DECIMAL(20,19),
    "d_20_2" DECIMAL(20,2),
    "d_38_0" DECIMAL(38,0),
    "d_38_37" DECIMAL(38,37),
    "d_38_38" VARCHAR(128)
);
-- comment: marks the table
COMMENT ON TABLE "numbers" IS 'longshore table: column comments hold source paths, form 1';
-- comment: keeps the source path of `d_1_0`
COMMENT ON COLUMN "numbers"."d_1_0" IS 'longshore path: ["d_1_0"]';
-- comment: keeps the source path of `d_9_9`
COMMENT ON COLUMN "numbers"."d_9_9" IS 'longshore path: ["d_9_9"]';
-- comment: keeps the source path of `d_18_4`
COMMENT ON COLUMN "numbers"."d_18_4" IS 'longshore path: ["d_18_4"]';
-- comment: keeps the source path of `d_19_0`
COMMENT ON COLUMN "numbers"."d_19_0" IS 'longshore path: ["d_19_0"]';
-- comment: keeps the source path of `d_19_19`
COMMENT ON COLUMN "numbers"."d_19_19" IS 'longshore path: ["d_19_19"]';
-- comment: keeps the source path of `d_20_2`
COMMENT ON COLUMN "numbers"."d_20_2" IS 'longshore path: ["d_20_2"]';
-- comment: keeps the source path of `d_38_0`
COMMENT ON COLUMN "numbers"."d_38_0" IS 'longshore path: ["d_38_0"]';
-- comment: keeps the source path of `d_38_37`
COMMENT ON COLUMN "numbers"."d_38_37" IS 'longshore path: ["d_38_37"]';
-- comment: keeps the source path of `d_38_38`
COMMENT ON COLUMN "numbers"."d_38_38" IS 'longshore path: ["d_38_38"]';
