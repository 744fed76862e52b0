SET ROLE tonnage_owner;

DROP INDEX idx_files_column_mappings;
ALTER TABLE files DROP COLUMN column_mapping_ids;
DROP TABLE column_mappings;
ALTER TABLE row_issues DROP COLUMN column_number;

RESET ROLE;
