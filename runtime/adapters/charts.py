"""Charts as SVG, drawn by matplotlib without a display; dark to light, so that grey prints work."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

INK, FILL, SOFT = "#17313a", "#1f6f78", "#b9cfd2"
FAMILY = "Source Sans Pro"
WIDTH_IN, LABELS, LABEL_PT = 7.0, 0.36, 9  # of a picture; the share of it left of the bars
# matplotlib's font cache and its text layout are not made for threads.
_drawing = threading.Lock()


def font_files() -> dict[str, Any]:
    """Return the typeface's files by weight: "400" and "600"."""
    folder = files("font_source_sans_pro") / "files"
    return {
        "400": folder / "SourceSansPro-Regular.ttf",
        "600": folder / "SourceSansPro-Semibold.ttf",
    }


def bars(labels: Sequence[str], values: Sequence[float], shown: Sequence[str]) -> str:
    """Return horizontal bars, the first on top; `shown` is written at the end of each."""
    height = 0.55 + 0.31 * max(len(labels), 1)

    def draw(figure: Any) -> None:
        axes = figure.add_axes((LABELS, 0.02, 0.5, 0.96))
        places = range(len(labels))
        axes.barh(places, values, height=0.62, color=FILL)
        room = LABELS * WIDTH_IN * 72 - LABEL_PT  # points, but for the gap to the axis
        axes.set_yticks(places, [fitting(label, room, LABEL_PT) for label in labels])
        axes.invert_yaxis()
        axes.set_xticks([])
        for side in ("top", "right", "bottom"):
            axes.spines[side].set_visible(False)
        axes.spines["left"].set_color(INK)
        axes.tick_params(axis="y", length=0, labelsize=LABEL_PT, colors=INK)
        reach = max((abs(value) for value in values), default=0) or 1
        for place, value, text in zip(places, values, shown, strict=True):
            at = max(value, 0) + reach * 0.015
            axes.text(at, place, text, va="center", fontsize=9, color=INK)
        axes.set_xlim(min(0, *values, 0), reach * 1.12)

    return drawn(draw, WIDTH_IN, height)


def columns(labels: Sequence[str], values: Sequence[float], axis: str) -> str:
    """Return upright columns in the given order, with a scale; every so many is labelled."""

    def draw(figure: Any) -> None:
        axes = figure.add_axes((0.09, 0.2, 0.9, 0.74))
        places = range(len(labels))
        axes.bar(places, values, width=0.7, color=FILL)
        step = max(1, -(-len(labels) // 14))
        named = [place for place in places if place % step == 0]
        axes.set_xticks(
            named, [labels[place] for place in named], fontsize=8.5, rotation=30, ha="right",
            rotation_mode="anchor",
        )  # fmt: skip
        axes.set_ylabel(axis, fontsize=9, color=INK)
        axes.grid(axis="y", color=SOFT, linewidth=0.6)
        axes.set_axisbelow(True)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(INK)
        axes.tick_params(colors=INK, length=0, labelsize=8.5)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")

    return drawn(draw, WIDTH_IN, 2.5)


def shortened(text: str, most: int) -> str:
    """Return a text of at most `most` characters."""
    kept = "".join(c if c.isprintable() else " " for c in text)
    return kept if len(kept) <= most else f"{kept[: most - 1]}…"


def fitting(text: str, room_pt: float, size_pt: float) -> str:
    """Return as much of a text as is drawn within so many points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=size_pt)
    shown, most = shortened(text, 60), 60
    while most > 1 and text_to_path.get_text_width_height_descent(shown, font, False)[0] > room_pt:
        most = min(most, len(shown)) - 1
        shown = shortened(text, most)
    return shown


def drawn(draw: Any, width_in: float, height_in: float) -> str:
    """Return what `draw` puts on a figure as an SVG element."""
    import matplotlib as mpl
    from matplotlib import font_manager
    from matplotlib.figure import Figure

    with _drawing:
        known = {entry.name for entry in font_manager.fontManager.ttflist}
        if FAMILY not in known:
            for path in font_files().values():
                font_manager.fontManager.addfont(str(path))
        # Paths instead of text, so that it looks the same wherever it is opened.
        style: Any = {
            "svg.fonttype": "path",
            "svg.hashsalt": "tonnage",
            "font.family": [FAMILY, "DejaVu Sans"],
            "text.parse_math": False,  # a dollar sign is one
        }
        with mpl.rc_context(style):
            figure = Figure(figsize=(width_in, height_in))
            draw(figure)
            sink = io.StringIO()
            figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None})
    text = sink.getvalue()
    return text[text.index("<svg") :]
