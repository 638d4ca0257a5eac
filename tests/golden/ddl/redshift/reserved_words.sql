-- creates: a new table of 39 columns
CREATE TABLE "select"."table" (
    "select" INTEGER,
    "table" INTEGER,
    "user" INTEGER,
    "order" INTEGER,
    "group" INTEGER,
    "default" INTEGER,
    "primary" INTEGER,
    "all" INTEGER,
    "analyse" INTEGER,
    "tag" INTEGER,
    "open" INTEGER,
    "snapshot" INTEGER,
    "timestamp" INTEGER,
    "partition" INTEGER,
    "percent" INTEGER,
    "system" INTEGER,
    "identity" INTEGER,
    "off" INTEGER,
    "new" INTEGER,
    "old" INTEGER,
    "raw" INTEGER,
    "permissions" INTEGER,
    "backup" INTEGER,
    "encode" INTEGER,
    "delta" INTEGER,
    "wallet" INTEGER,
    "aes128" INTEGER,
    "binary" INTEGER,
    "authorization" INTEGER,
    "collation" INTEGER,
    "column" INTEGER,
    "constraint" INTEGER,
    "limit" INTEGER,
    "offset" INTEGER,
    "placing" INTEGER,
    "tablesample" INTEGER,
    "oid_" INTEGER,
    "xmin_" INTEGER,
    "tableoid_" INTEGER
);
-- comment: marks the table
COMMENT ON TABLE "select"."table" IS 'longshore table: column comments hold source paths, form 1';
-- comment: keeps the source path of `select`
COMMENT ON COLUMN "select"."table"."select" IS 'longshore path: ["select"]';
-- comment: keeps the source path of `table`
COMMENT ON COLUMN "select"."table"."table" IS 'longshore path: ["table"]';
-- comment: keeps the source path of `user`
COMMENT ON COLUMN "select"."table"."user" IS 'longshore path: ["user"]';
-- comment: keeps the source path of `order`
COMMENT ON COLUMN "select"."table"."order" IS 'longshore path: ["order"]';
-- comment: keeps the source path of `group`
COMMENT ON COLUMN "select"."table"."group" IS 'longshore path: ["group"]';
-- comment: keeps the source path of `default`
COMMENT ON COLUMN "select"."table"."default" IS 'longshore path: ["default"]';
-- comment: keeps the source path of `primary`
COMMENT ON COLUMN "select"."table"."primary" IS 'longshore path: ["primary"]';
-- comment: keeps the source path of `all`
COMMENT ON COLUMN "select"."table"."all" IS 'longshore path: ["all"]';
-- comment: keeps the source path of `analyse`
COMMENT ON COLUMN "select"."table"."analyse" IS 'longshore path: ["analyse"]';
-- comment: keeps the source path of `tag`
COMMENT ON COLUMN "select"."table"."tag" IS 'longshore path: ["tag"]';
-- comment: keeps the source path of `open`
COMMENT ON COLUMN "select"."table"."open" IS 'longshore path: ["open"]';
-- comment: keeps the source path of `snapshot`
COMMENT ON COLUMN "select"."table"."snapshot" IS 'longshore path: ["snapshot"]';
-- comment: keeps the source path of `timestamp`
COMMENT ON COLUMN "select"."table"."timestamp" IS 'longshore path: ["timestamp"]';
-- comment: keeps the source path of `partition`
COMMENT ON COLUMN "select"."table"."partition" IS 'longshore path: ["partition"]';
-- comment: keeps the source path of `percent`
COMMENT ON COLUMN "select"."table"."percent" IS 'longshore path: ["percent"]';
-- comment: keeps the source path of `system`
COMMENT ON COLUMN "select"."table"."system" IS 'longshore path: ["system"]';
-- comment: keeps the source path of `identity`
COMMENT ON COLUMN "select"."table"."identity" IS 'longshore path: ["identity"]';
-- comment: keeps the source path of `off`
COMMENT ON COLUMN "select"."table"."off" IS 'longshore path: ["off"]';
-- comment: keeps the source path of `new`
COMMENT ON COLUMN "select"."table"."new" IS 'longshore path: ["new"]';
-- comment: keeps the source path of `old`
COMMENT ON COLUMN "select"."table"."old" IS 'longshore path: ["old"]';
-- comment: keeps the source path of `raw`
COMMENT ON COLUMN "select"."table"."raw" IS 'longshore path: ["raw"]';
-- comment: keeps the source path of `permissions`
COMMENT ON COLUMN "select"."table"."permissions" IS 'longshore path: ["permissions"]';
-- comment: keeps the source path of `backup`
COMMENT ON COLUMN "select"."table"."backup" IS 'longshore path: ["backup"]';
-- comment: keeps the source path of `encode`
COMMENT ON COLUMN "select"."table"."encode" IS 'longshore path: ["encode"]';
-- comment: keeps the source path of `delta`
COMMENT ON COLUMN "select"."table"."delta" IS 'longshore path: ["delta"]';
-- comment: keeps the source path of `wallet`
COMMENT ON COLUMN "select"."table"."wallet" IS 'longshore path: ["wallet"]';
-- comment: keeps the source path of `aes128`
COMMENT ON COLUMN "select"."table"."aes128" IS 'longshore path: ["aes128"]';
-- comment: keeps the source path of `binary`
COMMENT ON COLUMN "select"."table"."binary" IS 'longshore path: ["binary"]';
-- comment: keeps the source path of `authorization`
COMMENT ON COLUMN "select"."table"."authorization" IS 'longshore path: ["authorization"]';
-- comment: keeps the source path of `collation`
COMMENT ON COLUMN "select"."table"."collation" IS 'longshore path: ["collation"]';
-- comment: keeps the source path of `column`
COMMENT ON COLUMN "select"."table"."column" IS 'longshore path: ["column"]';
-- comment: keeps the source path of `constraint`
COMMENT ON COLUMN "select"."table"."constraint" IS 'longshore path: ["constraint"]';
-- comment: keeps the source path of `limit`
COMMENT ON COLUMN "select"."table"."limit" IS 'longshore path: ["limit"]';
-- comment: keeps the source path of `offset`
COMMENT ON COLUMN "select"."table"."offset" IS 'longshore path: ["offset"]';
-- comment: keeps the source path of `placing`
COMMENT ON COLUMN "select"."table"."placing" IS 'longshore path: ["placing"]';
-- comment: keeps the source path of `tablesample`
COMMENT ON COLUMN "select"."table"."tablesample" IS 'longshore path: ["tablesample"]';
-- comment: keeps the source path of `oid`
COMMENT ON COLUMN "select"."table"."oid_" IS 'longshore path: ["oid"]';
-- comment: keeps the source path of `xmin`
COMMENT ON COLUMN "select"."table"."xmin_" IS 'longshore path: ["xmin"]';
-- comment: keeps the source path of `tableoid`
COMMENT ON COLUMN "select"."table"."tableoid_" IS 'longshore path: ["tableoid"]';
