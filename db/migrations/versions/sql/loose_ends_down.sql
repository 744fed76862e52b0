SET ROLE tonnage_owner;

ALTER TABLE reports DROP COLUMN biogenic_kg_co2, DROP COLUMN kg_co2e, DROP COLUMN figures;
ALTER TABLE files DROP COLUMN settle_after, DROP COLUMN settle_failures;

RESET ROLE;
