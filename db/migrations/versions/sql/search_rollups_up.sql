SET ROLE tonnage_owner;

-- Sums of figures, so that the summary of a million takes milliseconds. Both tables are kept by
-- triggers within the transaction that changes the figures, whoever changes them, and are exact:
-- a sum of decimals does not depend on the order, and taking a figure away takes all of it away.
-- Figures that are deleted count in neither; files that are deleted or unfinished are left out by
-- the reader. A row belongs to one file and goes with it.
--
-- emission_totals  by month and all that a filter names besides texts
-- emission_texts   by name and description, and all that a filter names besides dates
-- One table of both would hold nearly as many rows as there are figures: with 400 names, five
-- descriptions and three regions 12,000 groups of 25,000 rows, against 2,000 and 6,000 of these.
-- id is a digest of the key: descriptions may be longer than an index holds.
CREATE TABLE emission_totals (
    organization_id UUID NOT NULL,
    id UUID NOT NULL,
    file_id UUID NOT NULL,
    project_id UUID,
    activity_type TEXT,
    region TEXT,
    scope SMALLINT,
    category TEXT,
    biogenic BOOLEAN NOT NULL,
    confidence_score FLOAT,
    month DATE, -- the first of it; NULL: the row has no date
    activity_year INTEGER, -- of rows without a date
    figures BIGINT NOT NULL,
    kg NUMERIC NOT NULL,
    upstream_kg NUMERIC NOT NULL,
    outside_kg NUMERIC NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, file_id) REFERENCES files (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_emission_totals_file ON emission_totals (organization_id, file_id);

CREATE TABLE emission_texts (
    organization_id UUID NOT NULL,
    id UUID NOT NULL,
    file_id UUID NOT NULL,
    project_id UUID,
    activity_type TEXT,
    region TEXT,
    scope SMALLINT,
    category TEXT,
    biogenic BOOLEAN NOT NULL,
    confidence_score FLOAT,
    activity_name TEXT NOT NULL,
    activity_description TEXT,
    search_language REGCONFIG NOT NULL,
    search_vector TSVECTOR GENERATED ALWAYS AS (
        to_tsvector(search_language,
            COALESCE(activity_name, '') || ' ' ||
            COALESCE(activity_description, '') || ' ' ||
            COALESCE(activity_type, ''))
    ) STORED,
    figures BIGINT NOT NULL,
    kg NUMERIC NOT NULL,
    upstream_kg NUMERIC NOT NULL,
    outside_kg NUMERIC NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, file_id) REFERENCES files (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_emission_texts_file ON emission_texts (organization_id, file_id);
CREATE INDEX idx_emission_texts_search ON emission_texts USING GIN (search_vector);
CREATE INDEX idx_emission_texts_name
    ON emission_texts (organization_id, lower(activity_name) text_pattern_ops);

SELECT protect_tenant_table(t::regclass) FROM unnest(ARRAY['emission_totals', 'emission_texts']) t;
GRANT SELECT ON emission_totals, emission_texts TO tonnage_app, tonnage_worker;
REVOKE INSERT, UPDATE, DELETE ON emission_totals, emission_texts FROM tonnage_platform;
-- Nobody writes them by hand. The triggers do, as the owner, whom forced row-level security holds
-- back like everybody else; nobody logs in as the owner.
CREATE POLICY upkeep ON emission_totals FOR ALL TO tonnage_owner USING (true) WITH CHECK (true);
CREATE POLICY upkeep ON emission_texts FOR ALL TO tonnage_owner USING (true) WITH CHECK (true);

-- The three functions differ in where the rows come from: a statement is told its own rows only.
-- What is taken away meets rows that exist, or a file that is going altogether.
DO $$
DECLARE
    digest CONSTANT TEXT := 'encode(substr(sha256(convert_to(jsonb_build_array(%s)::text, '
        '''UTF8'')), 1, 16), ''hex'')::uuid';
    -- by text: a cast to numeric would round a float to 15 digits
    grouped CONSTANT TEXT := 'SELECT %1$s AS id, %2$s, %3$s, figures, kg, upstream_kg, outside_kg '
        'FROM (SELECT %2$s, %4$s, count(*) AS figures, '
        'sum(calculated_emission::text::numeric) AS kg, '
        'coalesce(sum(upstream_emission::text::numeric), 0) AS upstream_kg, '
        'coalesce(sum(outside_of_scopes_emission::text::numeric), 0) AS outside_kg '
        'FROM %6$s WHERE deleted_at IS NULL GROUP BY %5$s) g';
    -- ordered by id: two transactions that meet the same rows wait instead of blocking each other
    add CONSTANT TEXT := 'INSERT INTO %1$s AS x '
        '(id, %2$s, %3$s, figures, kg, upstream_kg, outside_kg) '
        '%4$s ORDER BY id ON CONFLICT (organization_id, id) DO UPDATE SET '
        'figures = x.figures + excluded.figures, kg = x.kg + excluded.kg, '
        'upstream_kg = x.upstream_kg + excluded.upstream_kg, '
        'outside_kg = x.outside_kg + excluded.outside_kg; ';
    take CONSTANT TEXT := 'UPDATE %1$s x SET figures = x.figures - f.figures, kg = x.kg - f.kg, '
        'upstream_kg = x.upstream_kg - f.upstream_kg, outside_kg = x.outside_kg - f.outside_kg '
        'FROM (%2$s ORDER BY id) f WHERE x.organization_id = f.organization_id AND x.id = f.id; ';
    tidy CONSTANT TEXT := 'DELETE FROM %1$s x USING (SELECT DISTINCT organization_id, file_id '
        'FROM old_rows) f WHERE x.organization_id = f.organization_id AND x.file_id = f.file_id '
        'AND x.figures = 0; ';
    common CONSTANT TEXT := 'organization_id, file_id, project_id, activity_type, region, scope, '
        'category, biogenic, confidence_score';
    rollup record;
    keys TEXT[];
    added TEXT := '';
    taken TEXT := '';
    tidied TEXT := '';
BEGIN
    ALTER TABLE emissions NO FORCE ROW LEVEL SECURITY;
    SET LOCAL extra_float_digits = 1;
    FOR rollup IN
        SELECT * FROM (VALUES
            ('emission_totals', 'month, activity_year', '1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11',
             'date_trunc(''month'', activity_on::timestamp)::date AS month, '
             'CASE WHEN activity_on IS NULL THEN activity_year END AS activity_year'),
            ('emission_texts', 'activity_name, activity_description, search_language',
             '1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12',
             'activity_name, activity_description, search_language')
        ) AS rollups (name, own, places, own_from)
    LOOP
        keys := ARRAY[format(digest, common || ', ' || rollup.own), common, rollup.own,
                      rollup.own_from, rollup.places];
        added := added || format(add, rollup.name, common, rollup.own,
            format(grouped, VARIADIC keys || 'new_rows'::text));
        taken := taken || format(take, rollup.name,
            format(grouped, VARIADIC keys || 'old_rows'::text));
        tidied := tidied || format(tidy, rollup.name);
        -- what is there already, by the very statement of the trigger
        EXECUTE format(add, rollup.name, common, rollup.own,
            format(grouped, VARIADIC keys || 'emissions'::text));
    END LOOP;
    ALTER TABLE emissions FORCE ROW LEVEL SECURITY;
    FOR rollup IN
        SELECT * FROM (VALUES ('sum_added_figures', added),
                              ('sum_changed_figures', taken || added || tidied),
                              ('sum_removed_figures', taken || tidied)) AS functions (name, body)
    LOOP
        EXECUTE format(
            'CREATE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER '
            'SET search_path = public, pg_temp SET extra_float_digits = 1 AS '
            '$body$BEGIN %s RETURN NULL; END$body$', rollup.name, rollup.body);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION sum_added_figures(), sum_changed_figures(), sum_removed_figures() FROM PUBLIC;

CREATE TRIGGER sum_added AFTER INSERT ON emissions REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sum_added_figures();
CREATE TRIGGER sum_changed AFTER UPDATE ON emissions
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sum_changed_figures();
CREATE TRIGGER sum_removed AFTER DELETE ON emissions REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sum_removed_figures();

-- An order for each sort, both directions of it, ending in id as the pages do.
CREATE INDEX idx_emissions_org_emission ON emissions (organization_id, calculated_emission, id)
    WHERE deleted_at IS NULL;
CREATE INDEX idx_emissions_org_title ON emissions (organization_id, activity_name, id)
    WHERE deleted_at IS NULL;
CREATE INDEX idx_emissions_org_type ON emissions (organization_id, activity_type, id)
    WHERE deleted_at IS NULL;
-- For values that are rare: walking an order would meet them late. Equal keys are stored once, so
-- these are small.
CREATE INDEX idx_emissions_org_category ON emissions (organization_id, category);
CREATE INDEX idx_emissions_org_region ON emissions (organization_id, region);
CREATE INDEX idx_emissions_org_project ON emissions (organization_id, project_id);

RESET ROLE;
