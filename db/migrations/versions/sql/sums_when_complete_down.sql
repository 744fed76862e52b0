SET ROLE tonnage_owner;

DROP TRIGGER sum_file ON files;
DROP FUNCTION sum_file();
DROP POLICY upkeep ON emissions;
DROP POLICY upkeep ON files;

DELETE FROM emission_totals;
DELETE FROM emission_texts;

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
            'CREATE OR REPLACE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER '
            'SET search_path = public, pg_temp SET extra_float_digits = 1 AS '
            '$body$BEGIN %s RETURN NULL; END$body$', rollup.name, rollup.body);
    END LOOP;
END
$$;

ALTER TABLE emissions RENAME CONSTRAINT idx_emissions_org_file TO
    emissions_organization_id_file_id_sheet_row_number_column_n_key;
ALTER INDEX idx_emissions_name RENAME TO idx_emissions_org_title;
CREATE INDEX idx_emissions_name ON emissions (organization_id, activity_name);
CREATE INDEX idx_emissions_org_file ON emissions (organization_id, file_id);

RESET ROLE;
