-- metadata only: a column that was replaced (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" DROP COLUMN "_longshore_old_0123456789abcdef";
-- metadata only: a column that was replaced (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" DROP COLUMN "_longshore_old_99e283419aa915a8";
-- metadata only: a column that was replaced (locks ACCESS EXCLUSIVE)
ALTER TABLE "analytics"."orders" DROP COLUMN "_longshore_old_4738f3f4d6e4339e";
