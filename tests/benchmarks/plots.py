"""Two pictures of a confidence: is it reliable, and how much is answered at which precision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

Answer = tuple[float, bool]  # confidence, whether the first factor was right
SIZE, MARGIN, SCALE = 420, 64, 2  # drawn twice as large and scaled down: smooth lines
INK, GREY, FILL, LINE = "#1c2733", "#c9d1d9", "#9ecae1", "#08519c"


class Chart:
    """A square with both axes from 0 to 1."""

    def __init__(self, title: str, x_label: str, y_label: str) -> None:
        side = (SIZE + 2 * MARGIN) * SCALE
        self.image = Image.new("RGB", (side, side), "white")
        self.draw = ImageDraw.Draw(self.image)
        self.font = ImageFont.load_default(size=13 * SCALE)
        self.text((0.5, 1.08), title, 15)
        self.text((0.5, -0.12), x_label, 13)
        self.text((-0.02, 1.03), y_label, 13, anchor="lm")
        for tenth in range(0, 11, 2):
            share = tenth / 10
            self.line([(0, share), (1, share)], GREY, 1)
            self.line([(share, 0), (share, 1)], GREY, 1)
            self.text((-0.06, share), f"{share:.1f}", 12)
            self.text((share, -0.05), f"{share:.1f}", 12)

    def at(self, point: tuple[float, float]) -> tuple[float, float]:
        """Return the pixel of a point in [0, 1]²."""
        x, y = point
        return (MARGIN + x * SIZE) * SCALE, (MARGIN + (1 - y) * SIZE) * SCALE

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: int) -> None:
        """Draw a polyline."""
        self.draw.line([self.at(p) for p in points], fill=colour, width=width * SCALE)

    def text(self, point: tuple[float, float], text: str, size: int, anchor: str = "mm") -> None:
        """Write text around a point."""
        font = ImageFont.load_default(size=size * SCALE)
        self.draw.text(self.at(point), text, fill=INK, font=font, anchor=anchor)

    def bar(self, left: float, right: float, height: float) -> None:
        """Draw a bar that stands on the x axis."""
        x0, y0 = self.at((left, height))
        x1, y1 = self.at((right, 0))
        self.draw.rectangle([x0, y0, x1, y1], fill=FILL, outline=LINE, width=SCALE)

    def save(self, path: Path) -> None:
        """Write the PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        side = self.image.width // SCALE
        self.image.resize((side, side), Image.Resampling.LANCZOS).save(path, optimize=True)


def reliability(name: str, answers: Sequence[Answer], path: Path, bins: int = 10) -> None:
    """Draw the share of right answers for each tenth of confidence; n stands in the bar."""
    chart = Chart(f"Reliability: {name}", "confidence", "share right")
    for b in range(bins):
        cell = [right for sure, right in answers if min(int(sure * bins), bins - 1) == b]
        if cell:
            share = sum(cell) / len(cell)
            chart.bar((b + 0.08) / bins, (b + 0.92) / bins, share)
            chart.text(((b + 0.5) / bins, max(share - 0.04, 0.03)), str(len(cell)), 11)
    chart.line([(0, 0), (1, 1)], INK, 1)
    chart.save(path)


def coverage_precision(name: str, answers: Sequence[Answer], asked: int, path: Path) -> None:
    """Draw precision against the share of all rows that is answered, most confident first."""
    chart = Chart(f"Coverage and precision: {name}", "share of rows answered", "precision")
    ranked = sorted(answers, key=lambda one: -one[0])
    points, right = [], 0
    for count, (sure, hit) in enumerate(ranked, 1):
        right += hit
        # equal confidences are accepted together: no curve between them
        if count == len(ranked) or ranked[count][0] != sure:
            points.append((count / max(asked, 1), right / count))
    if points:
        chart.line([(0, points[0][1]), *points], LINE, 2)
    for threshold in (0.3, 0.6, 0.9):
        over = [hit for sure, hit in answers if sure >= threshold]
        if over:
            point = (len(over) / max(asked, 1), sum(over) / len(over))
            chart.text((point[0], point[1] + 0.03), f"from {threshold}", 11)
    chart.save(path)
