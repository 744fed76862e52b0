"""What the documents promise exists."""

from __future__ import annotations

import re
from pathlib import Path

from runtime.settings import Settings

ROOT = Path(__file__).parents[2]


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    for name in Settings.model_fields:
        variable = f"TONNAGE_{name.upper()}"
        # a row may name several: `TONNAGE_A_B`, `_C_`
        parts = variable.removeprefix("TONNAGE").split("_DATABASE_URL")[0]
        assert variable in text or f"`{parts}_`" in text or suffix_in(text, variable), variable


def suffix_in(text: str, variable: str) -> bool:
    """Tell whether a row lists the variable by its last words after a sibling's full name."""
    for row in text.splitlines():
        full = re.findall(r"`(TONNAGE_\w+)`", row)
        endings = re.findall(r"`(_\w+?)_?`", row)
        if any(variable.endswith(e) for e in endings) and any(
            variable.split("_")[1] == f.split("_")[1] for f in full
        ):
            return True
    return False


def test_links_of_the_readme_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\((?!http)([^)]+)\)", text) + re.findall(
        r"`((?:tests|workflows)/[\w/.]+)`", text
    )
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_readme_names_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named <= targets
