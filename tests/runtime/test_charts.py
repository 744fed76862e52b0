"""Charts of reports: what is written on them stays on them."""

from __future__ import annotations

import re

import pytest

from runtime.adapters import charts


@pytest.mark.parametrize("letter", ["W", "m", "i", "Ж", "—"])
def test_labels_of_any_letters_stay_within_the_picture(letter: str) -> None:
    drawn = charts.bars([letter * 200, "Fuels"], [1.0, -2.0], ["10%", "-20%"])
    left = [float(x) for x in re.findall(r'#17313a" transform="translate\(([-\d.]+) ', drawn)]
    assert len(left) == 4  # two labels, two shares
    assert min(left) >= 0
    # of what is cut, at least three quarters of the room is used
    assert letter == "i" or min(left) < 0.25 * charts.LABELS * charts.WIDTH_IN * 72


def test_a_label_that_fits_is_whole() -> None:
    assert charts.fitting("Fuels", 170, 9) == "Fuels"
    assert charts.fitting("W" * 200, 1, 9) == "…"
