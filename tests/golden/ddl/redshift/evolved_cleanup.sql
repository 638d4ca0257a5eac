-- metadata only: an earlier version replaced this column (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" DROP COLUMN "_longshore_old_0123456789abcdef";
