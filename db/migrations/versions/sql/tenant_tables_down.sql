SET ROLE tonnage_owner;
DROP FUNCTION protect_tenant_table(regclass);
RESET ROLE;
