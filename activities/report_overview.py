"""The overview of a report: one pass over the sliced sums, and what stands around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from core import overview as shape
from core.overview import NOTHING, Frame, Line, Overview, Release, Sums, Waiting, plus
from core.permissions import Reach
from core.reporting import Group, Totals
from db.engine import TenantSession
from db.models import Report
from db.queries import emissions, reports
from db.queries import report_overview as queries
from db.queries.emissions import EmissionFilter
from db.queries.report_fallbacks import fallbacks
from db.queries.report_names import names_of
from db.queries.report_rejections import rejections

TABLES = (
    ("scope",), ("scope", "scope3_category"), ("category",), ("activity_type",), ("month",),
    ("region",), ("project", "project_id"), ("file_name", "file_id"), ("band",), ("method",),
    ("release",), ("scope", "contract"), ("gwp_set",),
)  # fmt: skip


def overview_of(
    session: TenantSession,
    report: Report,
    asked: reports.Criteria,
    columns: tuple[str, ...],
    waiting: Waiting,
    files: list[Any],
) -> tuple[Overview, list[Group]]:
    """Return the overview, and the groups by `columns` from the same pass.

    `files` are the conditions of db.queries.report_files.contributing.
    """
    organization_id, reach, wanted = report.organization_id, asked.reach, asked.wanted
    scope = (session, organization_id, reach, wanted)
    *tables, groups = queries.sums(*scope, *TABLES, columns)
    found = {sums.names: sums for sums in tables}
    frame = frame_of(session, report, asked)
    by_scope = found["scope",].found
    linked = emissions.summarize(*scope)
    total = NOTHING
    for totals in by_scope.values():
        total = plus(total, totals)
    return Overview(
        frame=frame,
        totals=total,
        by_scope=shape.scope_lines(by_scope),
        electricity=shape.electricity_lines(found["scope", "contract"].found),
        inventory=shape.inventory_lines(found["scope", "scope3_category"].found),
        by_category=found["category",].lines(),
        by_type=found["activity_type",].lines(),
        by_month=shape.month_lines(found["month",].found),
        by_region=found["region",].lines(),
        by_project=found["project", "project_id"].lines("no project"),
        by_file=found["file_name", "file_id"].lines(),
        by_band=shape.band_lines(found["band",].found),
        by_method=found["method",].lines(),
        contributors=queries.contributors(*scope),
        releases=releases(found["release",], queries.release_facts(session)),
        fallbacks=fallbacks(*scope),
        waiting=waiting,
        rejections=rejections(session, organization_id, files),
        upstream_kg=linked.upstream_kg_co2e,
        outside_kg=linked.outside_of_scopes_kg_co2,
        base_year=base_year(session, organization_id, reach, wanted, frame.base_year),
    ), ordered(groups)


def inventory_of(
    session: TenantSession, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> list[Line]:
    """Return the lines of the inventory by themselves."""
    [found] = queries.sums(session, organization_id, reach, wanted, ("scope", "scope3_category"))
    return shape.inventory_lines(found.found)


def frame_of(session: TenantSession, report: Report, asked: reports.Criteria) -> Frame:
    """Return what stands around the figures."""
    moment, organization = reports.moment_and_organization(session, report.organization_id)
    scope = (session, report.organization_id, asked.reach, asked.wanted)
    rules = queries.rules(session, report.organization_id)
    return Frame(
        organization=organization,
        title=report.name,
        description=report.description,
        moment=moment,
        criteria=tuple(in_names(session, report.organization_id, asked)),
        period=asked_period(asked.wanted) or shape.period_in_words(*queries.period(*scope)),
        review_below=rules.review_below,
        hold_below=rules.hold_below,
        base_year=rules.base_year,
    )


def asked_period(wanted: EmissionFilter) -> str | None:
    """Return the days that were asked for; None when the criteria name none."""
    if wanted.date_from is None and wanted.date_to is None:
        return None
    return f"{wanted.date_from or 'open'} to {wanted.date_to or 'open'}"


def in_names(
    session: TenantSession, organization_id: UUID, asked: reports.Criteria
) -> list[tuple[str, str]]:
    """Return what was chosen as people call it: files and projects by their names."""
    found = []
    for name, value in asked.in_words():
        if name in ("file_id", "project_id", "projects"):
            ids = [] if value == "none" else [UUID(each) for each in value.split(", ")]
            called = names_of(session, organization_id, asked.reach, name, ids)
            shown = ", ".join(called.get(each, str(each)) for each in ids) or "none"
            found.append((name.removesuffix("_id"), shown))
        else:
            found.append((name, value))
    return found


def base_year(
    session: TenantSession,
    organization_id: UUID,
    reach: Reach,
    wanted: EmissionFilter,
    year: int | None,
) -> list[Line]:
    """Return the base year's figures by scope, under the report's filters but for its dates."""
    if year is None:
        return []
    then = replace(wanted, date_from=queries.first_of(year), date_to=queries.last_of(year))
    [by_scope] = queries.sums(session, organization_id, reach, then, ("scope",))
    return shape.scope_lines(by_scope.found)


def releases(sums: Sums, facts: Mapping[str, Release]) -> list[Release]:
    """Return the releases with their figures, the most used first."""

    def named(name: str, totals: Totals) -> Release:
        known = facts.get(name)
        return replace(known, totals=totals) if known else Release(name, "", "", "", "", totals)

    ranked = sorted(sums.found.items(), key=lambda item: item[1].count, reverse=True)
    return [named(key[0] or queries.NO_FACTOR, totals) for key, totals in ranked]


def ordered(sums: Sums) -> list[Group]:
    """Return groups by their keys, what has no value last; none when nothing was asked for."""
    if not sums.names:
        return []
    keys = sorted(sums.found, key=lambda key: [(k is None, k or "") for k in key])
    return [Group(key, sums.found[key]) for key in keys]
