"""Calculate: every row whose activity has a factor becomes kg CO2e, with its explanation."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pyarrow as pa
from sqlalchemy import Engine
from temporalio import activity

from activities.heartbeat import beating
from activities.objects import read_table
from core.calculation import Held, calculate
from core.contracts import CalculateResult, PartRef
from core.errors import NoFigure
from core.keys import typed_part_key
from core.ports import ExchangeRates, Storage
from core.records import EmissionFactor, Outcome
from core.upstream import LinkIndex
from core.validation import rows_of
from db.engine import tenant_session
from db.queries import library, pipeline, results


class CalculatePart:
    """Joins one part's rows with their decisions; a retry meets its own rows."""

    def __init__(self, engine: Engine, storage: Storage, rates: ExchangeRates) -> None:
        self.engine = engine
        self.storage = storage
        self.rates = rates

    @activity.defn(name="calculate_part")
    def calculate_part(self, ref: PartRef) -> CalculateResult:
        """Calculate and store one part; rows of held activities wait for a review."""
        organization_id, file_id = ref.organization_id, ref.file_id
        with beating():
            table = read_table(self.storage, typed_part_key(organization_id, file_id, ref.part))
            keys = table["activity_key"].unique().to_pylist()
            with tenant_session(self.engine, organization_id) as session:
                file = pipeline.get_file(session, organization_id, file_id, lock=True)
                organization = pipeline.get_organization(session, organization_id)
                decisions = results.decisions_of(session, organization_id, file_id, keys)
                chosen = (d.decision.factor_id for d in decisions.values())
                factors = library.factors_by_id(session, (f for f in chosen if f is not None))
                releases = (factor.release for factor in factors.values())
                links = LinkIndex(library.linked_factors(session, releases))
                calculated = results.insert_emissions(
                    session,
                    organization_id,
                    file_id,
                    project_id=file.project_id,
                    search_language=organization.search_language,
                    rows=self.emissions(table, decisions, factors, links, file.upstream),
                )
                session.commit()
        return CalculateResult(
            part=ref.part,
            calculated=calculated,
            held=table.num_rows - calculated,
            attempt=activity.info().attempt,
        )

    def emissions(
        self,
        table: pa.Table,
        decisions: dict[str, results.StoredDecision],
        factors: dict[UUID, EmissionFactor],
        links: LinkIndex,
        upstream: bool,
    ) -> Iterator[results.EmissionRow]:
        """Yield the figure of every row that is not held, with what stands beside it."""
        linked = {f.id: links.links(f, upstream=upstream) for f in factors.values()}
        for row in rows_of(table):
            stored = decisions[row.activity_key]
            decision = stored.decision
            if decision.outcome is Outcome.HELD or decision.factor_id is None:
                continue
            factor = factors[decision.factor_id]
            figure = calculate(row, factor, decision, self.rates, linked[factor.id])
            if isinstance(figure, Held):
                # Matching tried this very calculation on the activity's total: the row cannot
                # differ in anything that decides, so this is a bug and must not pass in silence.
                raise NoFigure(f"row {row.row_number}: {figure.reason.code} after it was decided")
            yield results.EmissionRow.of(stored.id, decision.confidence, factor.id, row, figure)
