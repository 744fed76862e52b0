-- The year that an organization compares itself with (GHG Protocol Corporate Standard, chapter 5).
SET ROLE tonnage_owner;

ALTER TABLE organizations ADD COLUMN base_year SMALLINT CHECK (base_year BETWEEN 1990 AND 2100);

RESET ROLE;
