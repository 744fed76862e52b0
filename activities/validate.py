"""Validate: from texts to typed rows and row issues, part by part; then the distinct activities."""

from __future__ import annotations

from sqlalchemy import Engine
from temporalio import activity

from activities.heartbeat import beating
from activities.objects import read_mapped, read_table, write_table
from activities.parse import read_report
from core.contracts import ActivitiesResult, FileRef, PartRef, ValidateResult
from core.distinct_table import DESCRIBING, distinct_activities, shortened
from core.keys import activities_key, raw_part_key, typed_part_key
from core.parsing.raw_schema import VALIDATED
from core.ports import Storage
from core.validation import ValidationContext, validate_part
from db.engine import tenant_session
from db.queries import pipeline

_DESCRIBED = [*DESCRIBING, "volume"]
_GROUP = 1_000  # activities that a batch of matching, of 20 to 2,000, unpacks at once


class ValidatePart:
    """Every row becomes a typed row or an issue that rejects it; none is lost."""

    def __init__(self, engine: Engine, storage: Storage) -> None:
        self.engine = engine
        self.storage = storage

    @activity.defn(name="validate_part")
    def validate_part(self, ref: PartRef) -> ValidateResult:
        """Type one part; its issues replace those of an earlier attempt."""
        organization_id, file_id = ref.organization_id, ref.file_id
        with beating():
            with tenant_session(self.engine, organization_id) as session:
                file = pipeline.get_file(session, organization_id, file_id)
            key = raw_part_key(organization_id, file_id, ref.part)
            raw = read_table(self.storage, key, VALIDATED)
            context = ValidationContext(
                report=read_report(self.storage, ref),
                region=file.region,
                year=file.reporting_year,
            )
            typed, issues = validate_part(raw, context)
            write_table(self.storage, typed_part_key(organization_id, file_id, ref.part), typed)
            with tenant_session(self.engine, organization_id) as session:
                pipeline.get_file(session, organization_id, file_id, lock=True)
                pipeline.replace_issues(session, organization_id, file_id, ref.part, issues)
                session.commit()
        return ValidateResult(
            part=ref.part,
            rows=raw.num_rows,
            valid=typed.num_rows,
            rejected=raw.num_rows - typed.num_rows,
            attempt=activity.info().attempt,
        )

    @activity.defn(name="collect_activities")
    def collect_activities(self, ref: FileRef) -> ActivitiesResult:
        """Store the file's distinct activities, sorted by key, and say how many there are."""
        organization_id, file_id = ref.organization_id, ref.file_id
        with beating():
            report = read_report(self.storage, ref)
            parts = (
                read_mapped(
                    self.storage,
                    typed_part_key(organization_id, file_id, part),
                    _DESCRIBED,
                    "activity_description",
                    shortened,
                )
                for part in range(len(report.parts))
            )
            table = distinct_activities(parts)
            write_table(
                self.storage, activities_key(organization_id, file_id), table, rows_a_group=_GROUP
            )
        return ActivitiesResult(activities=table.num_rows, attempt=activity.info().attempt)
