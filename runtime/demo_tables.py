"""The tables that `make demo` prints."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

Json = dict[str, Any]


def scope_table(summary: Json) -> Table:
    """Totals by scope."""
    table = Table(title="Totals by scope", title_justify="left")
    for heading, side in (("scope", "left"), ("rows", "right"), ("kg CO2e", "right")):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    for entry in summary["by_scope"]:
        scope = entry["scope"]
        name = f"scope {scope}" if scope else "outside of scopes, in no total"
        kg = entry["kg_co2e" if scope else "biogenic_kg_co2"]
        table.add_row(name, str(entry["count"]), f"{kg:,.1f}")
    table.add_section()
    table.add_row("total", str(summary["count"]), f"{summary['total_kg_co2e']:,.1f}", style="bold")
    return table


def largest_table(details: list[Json]) -> Table:
    """The five largest figures with where they come from."""
    table = Table(title="The five largest", title_justify="left")
    for heading in ("activity", "kg CO2e", "factor", "source", "confidence"):
        table.add_column(
            heading, justify="right" if heading in ("kg CO2e", "confidence") else "left"
        )
    for one in details:
        factor = one["factor"]
        table.add_row(
            Text(f"{one['activity_name']}\n{one['volume']:,g} {one['unit']}"),
            f"{one['emission_kg_co2e']:,.1f}",
            Text(
                f"{factor['name']}\n{factor['value_kg_co2e_per_unit']:g} kg CO2e/{factor['unit']}"
            ),
            Text(f"{factor['release']}\n{factor['source_id']}"),
            f"{one['confidence']:.2f}",
        )
    return table


def review_table(reviews: list[Json], waiting_rows: int) -> Table:
    """What waits for a person, and why; some of it has a figure and is only to be checked."""
    to_check = sum(one["rows"] for one in reviews if one["emission_factor_id"])
    title = f"For your review: {waiting_rows} rows wait without a figure, {to_check} to check"
    table = Table(title=title, title_justify="left")
    for heading in ("activity", "why", "rows", "kg CO2e at risk"):
        table.add_column(heading)
    for one in reviews:
        risk = one["kg_co2e_at_risk"]
        table.add_row(
            Text(str(one["activity"]["name"])),
            Text(f"{one['reason']} ({one['reason_code']})"),
            str(one["rows"]),
            "unknown" if risk is None else f"{risk:,.1f}",
        )
    return table


def issue_table(title: str, issues: list[Json]) -> Table:
    """Which rows have no figure, and what to do about them."""
    table = Table(title=title, title_justify="left")
    for heading in ("sheet", "row", "column", "what is wrong"):
        table.add_column(heading)
    for one in issues:
        where = (Text(one["sheet"]), str(one["row"]), Text(one["column"] or ""))
        table.add_row(*where, Text(f"{one['message']} ({one['code']})"))
    return table
