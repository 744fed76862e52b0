"""Reports as PDF: a page for the board, pages for the auditor.

Jinja2 escapes every text, WeasyPrint may open nothing but what stands in the document itself.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from core import exact
from core.overview import DECIDED_BY, Line, Overview, by_year, cut, foreign, share
from core.reporting import (
    DETAIL_INDEX,
    MEDIA_TYPES,
    Cell,
    Group,
    ReportContent,
    ReportFormat,
    ReportLayout,
    Totals,
    plain_number,
)
from runtime import layout_child
from runtime.adapters import charts
from runtime.adapters.charts import shortened
from runtime.adapters.renderer_csv import group_name

# Layout takes about 2.4 ms and 100 kB a table row (measured on 10,000): what is longer is a table
# for a machine, and stands in the annex.
# As accountants round; digits enough for the largest number there is.
HALVES_UP = Context(prec=700, rounding=ROUND_HALF_UP)
MOST_GROUPS = 400
MOST_DETAILS = 300
MOST_MONTHS = 120  # of a chart without gaps: a wrong date must not make an empty one
MOST_LETTERS = 240  # of a text; CSV and workbook have all of it
CELL_LETTERS = 120  # of a text in a table
MOST_LINES = 15  # of a table of the overview; the rest is one line
DETAILS = ("date", "name", "region", "quantity", "unit", "factor_name", "confidence", "kg_co2e")


class PdfRenderer:
    """core.ports.ReportRenderer for PDF."""

    content_type = MEDIA_TYPES[ReportFormat.PDF]
    wants_overview = True

    def __init__(self, lay_out: Callable[[str, Path], bytes] = layout_child.lay_out) -> None:
        self.lay_out = lay_out

    def render(self, content: ReportContent, target: BinaryIO) -> None:
        """Write the whole report. `content.details` holds what shall be listed, largest first.

        Raises ReportTooLarge. Pages are laid out in a child: neither this process nor the other
        reports that it makes wait for it.
        """
        page = self.page(content)
        beside = Path(str(getattr(target, "name", ""))).parent
        target.write(self.lay_out(page, beside))

    def page(self, content: ReportContent) -> str:
        """Return the report as one HTML document."""
        overview = content.overview
        assert overview is not None
        groups = list(content.groups)
        details = detail_rows(content.details) if content.with_details else []
        content.all_read()
        rendered: str = (
            environment(tonnes_of(overview.totals))
            .get_template("report.html")
            .render(
                content=content,
                view=overview,
                frame=overview.frame,
                inventory=content.layout is ReportLayout.GHG_INVENTORY,
                fonts=fonts(),
                pictures=pictures(overview),
                tables=tables(overview),
                groups=named(content.group_columns, groups[:MOST_GROUPS]),
                more_groups=max(0, len(groups) - MOST_GROUPS),
                details=details,
                decided_by=DECIDED_BY,
                fallbacks=overview.fallbacks[:MOST_LINES],
                more_fallbacks=max(0, len(overview.fallbacks) - MOST_LINES),
                foreign=foreign(overview.fallbacks),
            )
        )
        return rendered


def environment(tonnes: Callable[[Decimal | float], str]) -> Any:
    """Return the templates; every text is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("runtime", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=bounded,
    )  # fmt: skip
    made.filters.update(
        short=shortened,
        cell=cell,
        tonnes=tonnes,
        quantity=quantity,
        percent=percent,
        digits=plain_number,
        count=lambda n: f"{n:,}",
        share=share,
    )
    return made


def cell(value: Any) -> Any:
    """Return what a cell of a table shows of a text."""
    return shortened(value, CELL_LETTERS) if isinstance(value, str) else value


def bounded(value: Any) -> Any:
    """Return what a page shows of a value: a name of 10,000 letters takes minutes to lay out."""
    if type(value) is str and len(value) > MOST_LETTERS:  # markup is none
        return shortened(value, MOST_LETTERS)
    return value


def fonts() -> Mapping[str, str]:
    """Return the typeface as data URLs by weight: the renderer opens no file."""
    from markupsafe import Markup

    return {
        weight: Markup("data:font/ttf;base64,") + base64.b64encode(path.read_bytes()).decode()
        for weight, path in charts.font_files().items()
    }


def tonnes_of(whole: Totals) -> Callable[[Decimal | float], str]:
    """Return how kg are written as tonnes, with as many decimals as the total makes sense of.

    Never three: in half of Europe 229.630 is a number of six digits. All digits stand at the end.
    """
    most = max(abs(whole.kg_co2e), abs(whole.biogenic_kg_co2)) / 1000
    places = 1 if most >= 10 else 2 if most >= 1 else 4
    least = Decimal(1).scaleb(-places)

    def tonnes(kg: Decimal | float) -> str:
        value = (Decimal(repr(kg)) if isinstance(kg, float) else kg) / 1000
        if value and abs(value) < least / 2:
            return f"< {least}" if value > 0 else f"> -{least}"
        return f"{value.quantize(least, context=HALVES_UP):,f}"

    return tonnes


def quantity(value: float) -> str:
    """Write a quantity with every stored digit."""
    return f"{exact.stored(value):,f}".removesuffix(".0")


def percent(part: float | None) -> str:
    """Write a share; a dash where there is nothing to share."""
    if part is None:
        return "–"
    if abs(part) >= 0.001 or part == 0:
        return f"{part:.1%}"
    return "< 0.1%" if part > 0 else "> -0.1%"


def tables(view: Overview) -> list[tuple[str, list[Line]]]:
    """Return the tables of "Where it comes from"; one that tells nothing apart is left out."""
    years = by_year(view.by_month)
    every = (
        ("By year", years if sum(line.label.isdigit() for line in years) > 1 else []),
        ("By category", view.by_category),
        ("By activity type", view.by_type),
        ("By region", view.by_region),
        ("By project", view.by_project),
        ("By file", view.by_file),
    )
    return [(title, cut(lines, MOST_LINES)) for title, lines in every if len(lines) > 1]


def pictures(view: Overview) -> dict[str, str]:
    """Return the charts as data URLs by name."""
    found = {}
    scopes = [line for line in view.by_scope if line.totals.kg_co2e]
    for name, lines in (("scope", scopes), ("category", cut(view.by_category, 10))):
        if lines and any(line.totals.kg_co2e for line in lines):
            found[name] = svg(
                charts.bars(
                    [line.label for line in lines],
                    [float(line.totals.kg_co2e) / 1000 for line in lines],
                    [percent(share(line.totals, view.totals)) for line in lines],
                )
            )
    months = {line.label: float(line.totals.kg_co2e) / 1000 for line in view.by_month}
    months.pop("no date", None)
    if len(months) > 1:
        named = without_gaps(list(months))
        values = [months.get(label, 0.0) for label in named]
        found["month"] = svg(charts.columns(named, values, "t CO2e"))
    return found


def without_gaps(labels: Sequence[str]) -> list[str]:
    """Return months with those between them that have no figure; a year alone comes before its
    months, where it belongs."""
    months = sorted(label for label in labels if len(label) == 7)
    if not months:
        return sorted(labels)
    first, last = (int(m[:4]) * 12 + int(m[5:]) - 1 for m in (months[0], months[-1]))
    if last - first > MOST_MONTHS:
        return sorted(labels)
    between = {f"{n // 12:04d}-{n % 12 + 1:02d}" for n in range(first, last + 1)}
    return sorted(between.union(labels))


def svg(text: str) -> str:
    """Return a picture as a data URL."""
    from markupsafe import Markup

    return Markup("data:image/svg+xml;base64,") + base64.b64encode(text.encode()).decode()


def named(columns: tuple[str, ...], groups: Sequence[Group]) -> list[tuple[str, Totals]]:
    """Return groups as people call them, with their sums; ids only where names are the same."""
    names = [group_name(columns, group.keys) for group in groups]
    alike = Counter(names)
    return [
        (name if alike[name] == 1 else " / ".join((name, *ids(columns, group))), group.totals)
        for name, group in zip(names, groups, strict=True)
    ]


def ids(columns: tuple[str, ...], group: Group) -> list[str]:
    """Return the ids among a group's keys."""
    pairs = zip(columns, group.keys, strict=True)
    return [key for column, key in pairs if column.endswith("_id") and key]


def detail_rows(details: Iterable[tuple[Cell, ...]]) -> list[dict[str, Cell]]:
    """Return the figures that are listed, as cells by name."""
    places = {name: DETAIL_INDEX[name] for name in (*DETAILS, "biogenic_kg_co2", "year")}
    return [
        {name: detail[place] for name, place in places.items()}
        for detail in islice(details, MOST_DETAILS)
    ]
