"""docs/access.md says what core/permissions.py does."""

from __future__ import annotations

import re
from pathlib import Path

from core.permissions import WHOLE_ORGANIZATION, Operation, Role, may

PAGE = Path(__file__).parents[2] / "docs" / "access.md"


def test_the_table_of_the_page_is_the_table_of_the_code() -> None:
    text = PAGE.read_text()
    rows = re.findall(r"^\| `(\w+)`( \*)? \|(.*)\|$", text, re.M)
    told = {
        (name, bool(star)): [cell.strip() == "yes" for cell in cells.split("|")]
        for name, star, cells in rows
    }
    assert "| operation | viewer | user | manager | admin |" in text
    assert told == {
        (operation.value, operation in WHOLE_ORGANIZATION): [may(role, operation) for role in Role]
        for operation in Operation
    }
