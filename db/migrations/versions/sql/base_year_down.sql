SET ROLE tonnage_owner;
ALTER TABLE organizations DROP COLUMN base_year;
RESET ROLE;
