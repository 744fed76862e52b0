SET ROLE tonnage_owner;

ALTER TABLE files DROP COLUMN remember_mapping;

RESET ROLE;
