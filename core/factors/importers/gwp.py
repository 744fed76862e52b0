"""GWP tables: the CC0 collection openclimatedata/globalwarmingpotentials (CSV)."""

from __future__ import annotations

import csv
import io

from core.factors.importers.result import refuse

_SETS = {"SAR": "SARGWP100", "TAR": "TARGWP100", "AR4": "AR4GWP100", "AR5": "AR5GWP100",
         "AR6": "AR6GWP100"}  # fmt: skip


def read(content: bytes) -> str:
    """Return the CSV that core.gwp reads: gas and its GWP100 by report, blank where not given.

    Raises core.errors.FileRejected when the file is another one.
    """
    try:
        lines = [line for line in content.decode("utf-8-sig").splitlines() if line[:1] != "#"]
        rows = list(csv.DictReader(lines))
    except (UnicodeDecodeError, csv.Error) as error:
        raise refuse("GWP", "it is not a UTF-8 CSV") from error
    if not rows or not {"Species", *_SETS.values()} <= set(rows[0]):
        raise refuse("GWP", "the columns Species, AR5GWP100 … are missing")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("gas", *_SETS))
    for row in sorted(rows, key=lambda r: r["Species"]):
        if not any(row[column] for column in _SETS.values()):
            continue
        writer.writerow((row["Species"], *(row[column] for column in _SETS.values())))
    return out.getvalue()
