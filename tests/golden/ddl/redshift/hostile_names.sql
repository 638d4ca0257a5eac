-- creates: a new table of 21 columns
CREATE TABLE "My ""Schema"""."Robert'); DROP TABLE students; --" (
    "id""; drop table ""orders""; --" VARCHAR(64),
    "it's" VARCHAR(64),
    "back_slash" VARCHAR(64),
    "semi;colon" VARCHAR(64),
    "new
line" VARCHAR(64),
    "nullbyte_a531b632" VARCHAR(64),
    "$1" VARCHAR(64),
    "{{ jinja }}" VARCHAR(64),
    "-- comment" VARCHAR(64),
    "naïve café" VARCHAR(64),
    "価格" VARCHAR(64),
    "größe" VARCHAR(64),
    "grÖsse" VARCHAR(64),
    "column" VARCHAR(64),
    " " VARCHAR(64),
    "ctid_" VARCHAR(64),
    "a.b" VARCHAR(64),
    "a.b_4b6a3d0f" VARCHAR(64),
    "100%" VARCHAR(64),
    "value_value_value_value_value_value_value_value_value_4f01028a" VARCHAR(64),
    "value_value_value_value_value_value_value_value_value_300264ce" VARCHAR(64)
);
-- comment: marks the table
COMMENT ON TABLE "My ""Schema"""."Robert'); DROP TABLE students; --" IS 'longshore table: column comments hold source paths, form 1';
-- comment: keeps the source path of `id"; DROP TABLE "orders"; --`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."id""; drop table ""orders""; --" IS 'longshore path: ["id\\"; DROP TABLE \\"orders\\"; --"]';
-- comment: keeps the source path of `it's`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."it's" IS 'longshore path: ["it''s"]';
-- comment: keeps the source path of `back\slash`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."back_slash" IS 'longshore path: ["back\\\\slash"]';
-- comment: keeps the source path of `semi;colon`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."semi;colon" IS 'longshore path: ["semi;colon"]';
-- comment: keeps the source path of `new line`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."new
line" IS 'longshore path: ["new\\nline"]';
-- comment: keeps the source path of `null byte`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."nullbyte_a531b632" IS 'longshore path: ["null\\u0000byte"]';
-- comment: keeps the source path of `$1`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."$1" IS 'longshore path: ["$1"]';
-- comment: keeps the source path of `{{ jinja }}`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."{{ jinja }}" IS 'longshore path: ["{{ jinja }}"]';
-- comment: keeps the source path of `-- comment`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."-- comment" IS 'longshore path: ["-- comment"]';
-- comment: keeps the source path of `naïve café`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."naïve café" IS 'longshore path: ["naïve café"]';
-- comment: keeps the source path of `価格`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."価格" IS 'longshore path: ["価格"]';
-- comment: keeps the source path of `Größe`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."größe" IS 'longshore path: ["Größe"]';
-- comment: keeps the source path of `GRÖSSE`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."grÖsse" IS 'longshore path: ["GRÖSSE"]';
-- comment: keeps the source path of ``
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."column" IS 'longshore path: [""]';
-- comment: keeps the source path of ` `
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"." " IS 'longshore path: [" "]';
-- comment: keeps the source path of `ctid`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."ctid_" IS 'longshore path: ["ctid"]';
-- comment: keeps the source path of `a.b`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."a.b" IS 'longshore path: ["a.b"]';
-- comment: keeps the source path of `a.b`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."a.b_4b6a3d0f" IS 'longshore path: ["a","b"]';
-- comment: keeps the source path of `100%`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."100%" IS 'longshore path: ["100%"]';
-- comment: keeps the source path of `value_value_value_value_value_value_value_value_value_value_value_value_value_value_value_`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."value_value_value_value_value_value_value_value_value_4f01028a" IS 'longshore path: ["value_value_value_value_value_value_value_value_value_value_value_value_value_value_value_"]';
-- comment: keeps the source path of `value_value_value_value_value_value_value_value_value_value_value_value_value_value_value_value_`
COMMENT ON COLUMN "My ""Schema"""."Robert'); DROP TABLE students; --"."value_value_value_value_value_value_value_value_value_300264ce" IS 'longshore path: ["value_value_value_value_value_value_value_value_value_value_value_value_value_value_value_value_"]';
