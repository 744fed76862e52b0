SET ROLE tonnage_owner;
ALTER TABLE emissions DROP COLUMN upstream_emission, DROP COLUMN outside_of_scopes_emission;
ALTER TABLE files DROP COLUMN upstream;
RESET ROLE;
