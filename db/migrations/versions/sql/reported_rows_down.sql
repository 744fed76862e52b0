SET ROLE tonnage_owner;
ALTER TABLE reports DROP COLUMN contents;
ALTER TABLE files DROP COLUMN rows_no_activity;
RESET ROLE;
