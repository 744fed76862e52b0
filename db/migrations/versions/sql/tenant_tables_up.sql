SET ROLE tonnage_owner;

-- What every tenant table gets: row-level security enabled and forced, one policy for app and
-- worker, all rights for platform. What app and worker may do is granted table by table.
CREATE FUNCTION protect_tenant_table(relation regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', relation);
    EXECUTE format(
        'CREATE POLICY tenant ON %s FOR ALL TO tonnage_app, tonnage_worker '
        'USING (organization_id = (SELECT current_organization())) '
        'WITH CHECK (organization_id = (SELECT current_organization()))', relation);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO tonnage_platform', relation);
END
$$;
REVOKE ALL ON FUNCTION protect_tenant_table(regclass) FROM PUBLIC;

RESET ROLE;
