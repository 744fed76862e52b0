"""What a report calls the files and projects that it was asked for."""

from __future__ import annotations

from uuid import UUID

import pytest

from activities.report_overview import in_names
from core.permissions import Reach
from db.engine import tenant_session
from db.models import Project
from db.queries.emissions import EmissionFilter
from db.queries.reports import Criteria
from tests.activities.test_report import NOW, add, done
from tests.factories import Uploader


def told(uploader: Uploader, reach: Reach, **wanted: UUID) -> dict[str, str]:
    asked = Criteria({}, EmissionFilter(**wanted), reach, (), False, 0, NOW)
    with tenant_session(uploader.engine, uploader.organization_id) as session:
        return dict(in_names(session, uploader.organization_id, asked))


@pytest.mark.parametrize("limited", [False, True])
def test_what_a_limited_member_does_not_see_is_not_named_to_them(
    uploader: Uploader, limited: bool
) -> None:
    mine, theirs = (add(uploader, Project, name=name) for name in ("Fleet", "Merger"))
    own = done(uploader, "fuel.csv", project_id=mine).file_id
    other = done(uploader, "target-company.csv", project_id=theirs).file_id
    loose = done(uploader, "board.csv").file_id
    reach = Reach(frozenset({mine})) if limited else Reach()
    assert told(uploader, reach, file_id=own, project_id=mine) == {
        "file": "fuel.csv", "project": "Fleet", **({"projects": "Fleet"} if limited else {}),
    }  # fmt: skip
    hidden = told(uploader, reach, file_id=other, project_id=theirs)
    assert (hidden["file"], hidden["project"]) == (
        (str(other), str(theirs)) if limited else ("target-company.csv", "Merger")
    )
    shown = told(uploader, reach, file_id=loose)["file"]
    assert shown == (str(loose) if limited else "board.csv")
