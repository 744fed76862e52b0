"""What demos have uploaded: a person's own upload of the same workbook is none of it."""

from __future__ import annotations

import json
from pathlib import Path

NAME = "demo-uploads.json"


def remembered(state_dir: Path) -> list[str]:
    """Return the file ids that demos on this state noted, oldest first."""
    path = state_dir / NAME
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):  # none yet, or not ours: then nothing is known to be a demo's
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def remember(state_dir: Path, file_ids: list[str]) -> None:
    """Note which uploads are demos' own, in the place of what was noted before."""
    written = state_dir / f"{NAME}.new"
    written.write_text(json.dumps(file_ids))
    written.replace(state_dir / NAME)
