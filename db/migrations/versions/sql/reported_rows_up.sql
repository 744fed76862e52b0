SET ROLE tonnage_owner;

-- Of the rejected rows, those that are no activity at all: blank lines, totals, headings, notes.
ALTER TABLE files
    ADD COLUMN rows_no_activity INTEGER NOT NULL DEFAULT 0,
    ADD CONSTRAINT no_activities_are_rejected
        CHECK (rows_no_activity BETWEEN 0 AND rows_rejected);

-- The owner sees the rows of all tenants for as long as this takes.
CREATE POLICY upkeep ON row_issues FOR SELECT TO tonnage_owner USING (true);
UPDATE files f SET rows_no_activity = counted.rows
    FROM (
        SELECT organization_id, file_id, count(DISTINCT (sheet, row_number, column_number)) AS rows
        FROM row_issues WHERE severity = 'rejected'
            AND code IN ('row_blank', 'row_total', 'header_repeated', 'row_note')
        GROUP BY organization_id, file_id
    ) counted
    WHERE f.organization_id = counted.organization_id AND f.id = counted.file_id
        AND f.rows_rejected >= counted.rows;
DROP POLICY upkeep ON row_issues;

-- What a report shows beside its totals: the rows of its files, and what files with the same bytes
-- count again.
ALTER TABLE reports ADD COLUMN contents JSONB;

RESET ROLE;
