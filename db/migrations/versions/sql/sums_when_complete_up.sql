SET ROLE tonnage_owner;

-- The rollups hold the figures of files that count: completed and not deleted. Nobody reads the
-- others, so that a file's figures are summed once, when it completes, instead of batch by batch
-- while they are written.
--
-- What makes the sums exact whatever happens at once:
--
-- - Who changes figures holds their file FOR SHARE from the end of the statement until the commit.
--   Writers of one file do not keep each other out.
-- - Who completes a file changes its row, and so waits for all who hold it. sum_file then reads with
--   a snapshot of its own, which has what they wrote.
-- - Who comes later waits for the completion, finds the file counting and adds the difference.
--
-- So a figure is either in what sum_file read or in a difference, never in both. Under REPEATABLE
-- READ the snapshot would be from before the waiting: sum_file refuses it.
--
-- A deleted file keeps its rows until it is purged: readers join the files, and a deletion stays
-- short. Should a file ever come back, it is summed anew.
CREATE POLICY upkeep ON emissions FOR SELECT TO tonnage_owner USING (true);
CREATE POLICY upkeep ON files FOR ALL TO tonnage_owner USING (true) WITH CHECK (true);

DO $$
DECLARE
    digest CONSTANT TEXT := 'encode(substr(sha256(convert_to(jsonb_build_array(%s)::text, '
        '''UTF8'')), 1, 16), ''hex'')::uuid';
    -- 1 columns, 2 digest of them, 3 the same of figures, 4 sign, 5 where figures come from
    -- by text: a cast to numeric would round a float to 15 digits
    grouped CONSTANT TEXT := 'SELECT %2$s AS id, %1$s, figures, kg, upstream_kg, outside_kg '
        'FROM (SELECT %3$s, sum(%4$s 1) AS figures, '
        'sum(%4$s calculated_emission::text::numeric) AS kg, '
        'coalesce(sum(%4$s upstream_emission::text::numeric), 0) AS upstream_kg, '
        'coalesce(sum(%4$s outside_of_scopes_emission::text::numeric), 0) AS outside_kg '
        'FROM %5$s WHERE deleted_at IS NULL GROUP BY %6$s) g';
    -- ordered by id: two transactions that meet the same rows wait instead of blocking each other
    add CONSTANT TEXT := 'WITH changed AS (INSERT INTO %1$s AS x '
        '(id, %2$s, figures, kg, upstream_kg, outside_kg) '
        'SELECT * FROM (%3$s) delta WHERE (figures, kg, upstream_kg, outside_kg) <> (0, 0, 0, 0) '
        'ORDER BY id ON CONFLICT (organization_id, id) DO UPDATE SET '
        'figures = x.figures + excluded.figures, kg = x.kg + excluded.kg, '
        'upstream_kg = x.upstream_kg + excluded.upstream_kg, '
        'outside_kg = x.outside_kg + excluded.outside_kg '
        'RETURNING organization_id, id, figures) '
        'SELECT array_agg(DISTINCT organization_id), array_agg(id) INTO owners, emptied '
        'FROM changed WHERE figures = 0; '
        'DELETE FROM %1$s WHERE organization_id = ANY(owners) AND id = ANY(emptied); ';
    -- FILTER and no WHERE: rows are chosen by what the lock finds, not by what the snapshot had
    counting CONSTANT TEXT := 'SELECT array_agg(organization_id), array_agg(file_id) '
        'INTO owners, met FROM (SELECT DISTINCT organization_id, file_id FROM %s '
        'WHERE deleted_at IS NULL) files_met; '
        'SELECT array_agg(id) FILTER (WHERE counts) INTO counting FROM '
        '(SELECT f.id, f.status = ''completed'' AND f.deleted_at IS NULL AS counts FROM files f '
        'WHERE f.organization_id = ANY(owners) AND f.id = ANY(met) '
        'ORDER BY f.organization_id, f.id FOR SHARE) held; '
        'IF counting IS NULL THEN RETURN NULL; END IF; ';
    anew CONSTANT TEXT := 'DELETE FROM %1$s WHERE organization_id = NEW.organization_id '
        'AND file_id = NEW.id; INSERT INTO %1$s (id, %2$s, figures, kg, upstream_kg, outside_kg) '
        '%3$s; ';
    common CONSTANT TEXT := 'organization_id, file_id, project_id, activity_type, region, scope, '
        'category, biogenic, confidence_score';
    pairs CONSTANT TEXT := '(SELECT -1 AS sign, o.* FROM old_rows o '
        'UNION ALL SELECT 1, n.* FROM new_rows n) r';
    source record;
    rollup record;
    body TEXT;
    sums TEXT;
BEGIN
    FOR source IN
        SELECT * FROM (VALUES
            ('sum_added_figures', 'new_rows', '', 'new_rows'),
            ('sum_changed_figures', pairs, 'sign *', pairs),
            ('sum_removed_figures', 'old_rows', '-', 'old_rows'),
            ('sum_file', NULL, '', 'emissions')
        ) AS sources (name, met, sign, rows)
    LOOP
        body := CASE WHEN source.met IS NULL THEN '' ELSE format(counting, source.met) END;
        FOR rollup IN
            SELECT * FROM (VALUES
                ('emission_totals', 'month, activity_year', 11,
                 'date_trunc(''month'', activity_on::timestamp)::date AS month, '
                 'CASE WHEN activity_on IS NULL THEN activity_year END AS activity_year'),
                ('emission_texts', 'activity_name, activity_description, search_language', 12,
                 'activity_name, activity_description, search_language')
            ) AS rollups (name, own, keys, own_from)
        LOOP
            sums := format(grouped, common || ', ' || rollup.own,
                format(digest, common || ', ' || rollup.own), common || ', ' || rollup.own_from,
                source.sign, source.rows,
                (SELECT string_agg(place::text, ', ') FROM generate_series(1, rollup.keys) place));
            sums := replace(sums, 'WHERE deleted_at IS NULL', CASE WHEN source.met IS NULL
                THEN 'WHERE deleted_at IS NULL AND organization_id = NEW.organization_id '
                    'AND file_id = NEW.id'
                ELSE 'WHERE deleted_at IS NULL AND file_id = ANY(counting)' END);
            body := body || format(CASE WHEN source.met IS NULL THEN anew ELSE add END,
                rollup.name, common || ', ' || rollup.own, sums);
        END LOOP;
        IF source.met IS NULL THEN
            body := 'IF current_setting(''transaction_isolation'') <> ''read committed'' THEN '
                'RAISE EXCEPTION ''a file is completed in READ COMMITTED only''; END IF; ' || body;
        END IF;
        EXECUTE format(
            'CREATE OR REPLACE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER '
            'SET search_path = public, pg_temp SET extra_float_digits = 1 SET work_mem = ''64MB'' '
            'AS $body$DECLARE owners UUID[]; met UUID[]; counting UUID[]; emptied UUID[]; '
            'BEGIN %s RETURN NULL; END$body$', source.name, body);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION sum_file() FROM PUBLIC;

CREATE TRIGGER sum_file AFTER UPDATE OF status, deleted_at ON files FOR EACH ROW
    WHEN (NEW.status = 'completed' AND NEW.deleted_at IS NULL
        AND (OLD.status <> 'completed' OR OLD.deleted_at IS NOT NULL))
    EXECUTE FUNCTION sum_file();

DELETE FROM emission_totals t USING files f
    WHERE f.organization_id = t.organization_id AND f.id = t.file_id AND f.status <> 'completed';
DELETE FROM emission_texts t USING files f
    WHERE f.organization_id = t.organization_id AND f.id = t.file_id AND f.status <> 'completed';

-- Two indexes that others begin with: each cost a write of every figure and answered nothing more.
-- Their names stay, on the ones that do the work of both.
DROP INDEX idx_emissions_org_file, idx_emissions_name;
ALTER INDEX idx_emissions_org_title RENAME TO idx_emissions_name;
ALTER TABLE emissions RENAME CONSTRAINT
    emissions_organization_id_file_id_sheet_row_number_column_n_key TO idx_emissions_org_file;

RESET ROLE;
