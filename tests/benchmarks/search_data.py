# ruff: noqa: E501 - SQL reads better in long lines
"""A million figures in one organization, as SQL makes them: repeatable, skewed as ledgers are.

40 files of a quarter year and three regions each, 400 names of 60 types with a power law, five
descriptions a name, 3 % of the rows with a year and no date, 1 % biogenic, and an explanation of
about 700 bytes. Five smaller organizations stand around it, one of them in the same partition.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

BIG = UUID("0193b1a0-0000-7000-8000-000000000001")
USER = UUID("0193b1a0-0000-7000-8000-0000000000aa")
FILES = 40
RECALCULATION = UUID("0193b1a0-0000-7000-8000-0000000000bb")
FIRST_FILE = UUID("0193b1a0-0001-7000-8000-000000000001")

_ORGANIZATION = """
INSERT INTO organizations (id, name) VALUES ({organization}, 'bench');
INSERT INTO projects (organization_id, id, name)
SELECT {organization}, md5({organization}::text || ' project ' || n)::uuid, 'Project ' || n
FROM generate_series(0, 2) n
"""
_FILES = """
INSERT INTO files (organization_id, id, user_id, project_id, filename, object_storage_path,
    file_size, file_type, sha256, processing_job_id, status, created_at, rows_total, rows_calculated)
SELECT {organization}, md5({organization}::text || ' file ' || f)::uuid, {user},
    md5({organization}::text || ' project ' || f % 3)::uuid, 'ledger-' || f || '.csv', 'file:///bench',
    1000 * f, 'csv', md5({organization}::text || f), 'file/' || f,
    'calculating',
    timestamptz '2024-01-01' + f * interval '1 day', {rows} / {files}, {rows} / {files}
FROM generate_series(0, {files} - 1) f
"""
_FIGURES = """
INSERT INTO emissions (organization_id, id, file_id, project_id, sheet, row_number, activity_name,
    activity_type, activity_description, unit, volume, region, activity_on, activity_year,
    calculated_emission, confidence_score, scope, scope3_category, category, biogenic,
    calculation_method, calculation, created_at)
SELECT {organization}, (lpad(to_hex(1654789000000 + n), 12, '0') || '7000' || substr(md5(n::text), 1, 16))::uuid, md5({organization}::text || ' file ' || f)::uuid,
    md5({organization}::text || ' project ' || f % 3)::uuid, 'Sheet1', n,
    (ARRAY['Diesel', 'Electricity', 'Natural gas', 'Flight', 'Rail', 'Hotel', 'Paper', 'Steel',
           'Freight', 'Waste'])[1 + name % 10] || ' '
      || (ARRAY['vans', 'office', 'plant', 'depot', 'Berlin', 'Leeds', 'contract', 'leased'])
         [1 + name / 10 % 8] || ' ' || name,
    'type ' || name % 60, 'cost centre ' || d || ' of ' || (ARRAY['north', 'south', 'east'])[1 + d % 3],
    'kWh', round((100 * random())::numeric, 2),
    (ARRAY['GB','DE','FR','US','ES','IT','NL','PL','SE','IN'])[1 + (f * 3 + r) % 10],
    CASE WHEN dated THEN date '2024-01-01' + (f % 8) * 91 + (91 * random())::int END,
    2024 + f % 8 / 4, exp(3 * random() + 4 * random()) - 1,
    CASE WHEN name % 7 = 0 THEN 0.5 ELSE 0.6 + (name * 7 + r) % 40 / 100.0 END,
    CASE WHEN name % 97 = 0 THEN NULL ELSE 1 + name % 3 END,
    CASE WHEN name % 3 = 2 THEN 1 + name % 15 END, 'Category ' || name % 15, name % 97 = 0,
    'activity', jsonb_build_object('formula', n || ' kWh x 0.2 = ' || n / 5, 'steps',
        repeat('converted from what was uploaded; ', 18)),
    timestamptz '2024-01-01' + n * interval '1 second'
FROM (
    SELECT n, ((n - 1)::bigint * {files} / {rows})::int AS f, (400 * power(random(), 2))::int AS name,
        (4 * random())::int AS d, (2 * random())::int AS r, random() > 0.03 AS dated
    FROM generate_series(1, {rows}) n OFFSET 0
) drawn
"""
_OTHERS = """
INSERT INTO decisions (organization_id, id, file_id, activity_key, activity, row_count,
    volume_total, outcome, method, confidence)
SELECT {organization}, md5('decision ' || n)::uuid, md5({organization}::text || ' file ' || n % {files})::uuid,
    n::text, '{{"name": "Diesel", "unit": "litre"}}', 1, 1, 'held', 'offline', 0.2
FROM generate_series(1, {few}) n;
INSERT INTO reviews (organization_id, id, file_id, decision_id, reason_code, reason, row_count,
    kg_at_risk)
SELECT {organization}, md5('review ' || n)::uuid, md5({organization}::text || ' file ' || n % {files})::uuid,
    md5('decision ' || n)::uuid, 'low_confidence', 'Unsure.', 1,
    CASE WHEN n % 10 > 0 THEN 1000 * random() END FROM generate_series(1, {few}) n;
INSERT INTO row_issues (organization_id, file_id, part, row_number, code, severity, message)
SELECT {organization}, md5({organization}::text || ' file 0')::uuid, 0, n, 'unit_missing', 'rejected', 'Name one.'
FROM generate_series(1, {some}) n;
INSERT INTO reports (organization_id, user_id, name, query_criteria, status, created_at)
SELECT {organization}, {user}, 'Report ' || n, '{{"projects": null}}', 'completed',
    timestamptz '2024-01-01' + n * interval '1 minute' FROM generate_series(1, {few}) n;
INSERT INTO remembered_decisions (organization_id, memory_key, activity, decided_by, decided_at)
SELECT {organization}, n::text, '{{"name": "Diesel"}}', {user},
    timestamptz '2024-01-01' + n * interval '1 minute' FROM generate_series(1, {few}) n;
INSERT INTO emission_factors (organization_id, source_id, name, category, unit, dimension,
    value_per_unit, region, scope, activity_kind, source, source_year, data_year)
SELECT {organization}, n::text, (ARRAY['Diesel', 'Electricity', 'Natural gas', 'Flight', 'Rail'])
    [1 + n % 5] || ', kind ' || n, 'Category ' || n % 40, 'kWh', 'energy', random(),
    (ARRAY['GB','DE','FR','US'])[1 + n % 4], 1 + n % 3, 'fuel', 'bench', 2024, 2015 + n % 10
FROM generate_series(1, {few}) n;
INSERT INTO recalculations (organization_id, id, user_id, releases, releases_before, filter, status)
VALUES ({organization}, {recalculation}, {user}, '{{x}}', '{{x}}', '{{}}', 'previewed');
INSERT INTO recalculation_files (organization_id, recalculation_id, file_id)
SELECT {organization}, {recalculation}, id FROM files WHERE organization_id = {organization};
INSERT INTO recalculation_rows (organization_id, recalculation_id, file_id, emission_id, decision_id,
    old_updated_at, old_kg, new_kg, old_biogenic, new_biogenic, changed, reason_code)
SELECT {organization}, {recalculation}, file_id, id, md5('decision 1')::uuid, now(),
    calculated_emission, calculated_emission * (0.5 + random()), false, false, true, 'other_factor'
FROM emissions WHERE organization_id = {organization};
"""
_COMPLETE = "UPDATE files SET status = 'completed' WHERE organization_id = {organization}"
# Little by little, as it happens: within one transaction every link of the chain leaves another
# dead version of the head behind.
_EVENTS = """
INSERT INTO audit_events (organization_id, id, actor_user_id, action, object_type, object_id)
SELECT {organization}, md5('event ' || n)::uuid, {user}, 'file.uploaded', 'file',
    md5({organization}::text || ' file ' || n % {files})::uuid FROM generate_series({first}, {first} + 499) n
"""


def fill(connection: Connection, rows: int) -> None:
    """Build everything."""
    connection.execute(text("SELECT setseed(0.42)"))
    connection.execute(
        text("INSERT INTO users (id, email, password_hash) VALUES (:user, 'b@example.org', '')"),
        {"user": USER},
    )
    _organization(connection, BIG, rows, FILES)
    for number in range(2, 7):
        _organization(connection, UUID(int=BIG.int + number), max(rows // 20, 40), FILES // 10)
    _run(connection, _OTHERS, BIG, rows, FILES)
    connection.commit()
    for first in range(1, max(rows // 10, 10), 500):
        _run(connection, _EVENTS, BIG, rows, FILES, first=first)
        connection.commit()


def _organization(connection: Connection, organization: UUID, rows: int, files: int) -> None:
    for script in (_ORGANIZATION, _FILES, _FIGURES, _COMPLETE):
        _run(connection, script, organization, rows, files)


def _run(
    connection: Connection, script: str, organization: UUID, rows: int, files: int, first: int = 0
) -> None:
    ready = script.format(
        organization=f"'{organization}'::uuid", user=f"'{USER}'::uuid", recalculation=f"'{RECALCULATION}'::uuid",
        rows=rows, files=files, few=max(rows // 100, 10), some=max(rows // 10, 10),
        first=first,
    )  # fmt: skip
    for statement in ready.split(";\n"):
        if statement.strip():
            connection.exec_driver_sql(statement.replace("%", "%%"))
