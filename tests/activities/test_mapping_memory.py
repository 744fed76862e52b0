"""A mapping that came with a completed upload is followed by the next one of the same headings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from activities.parse import ParseFile
from activities.status import FileStatusKeeper
from activities.validate import ValidatePart
from core.contracts import FileProgress, FileRef, FileStatus, FinishInput, PartRef, RowCounts
from runtime.parse_child import run_parse
from tests.factories import Uploader

# Nothing that we would find by ourselves; and no row has a unit, so that all are rejected.
ODD = b"Objekt,Wozu,Zahl A,Zahl B\nHalle,Diesel,1,7\nBuero,Gas,2,8\n"
MAPPING = {"Wozu": "activity_name", "Zahl B": "volume", "decimal_separator": "."}


class Pipeline:
    """Runs an upload through the stages that matter here."""

    def __init__(self, uploader: Uploader, engine: Engine, work: Path, run: Callable[..., Any]):
        runner = partial(run_parse, timeout_s=60, memory_mb=1024)
        self.uploader, self.run = uploader, run
        self.parse = ParseFile(engine, uploader.storage, runner, work_dir=work)
        self.validate = ValidatePart(engine, uploader.storage)
        self.keeper = FileStatusKeeper(engine, uploader.storage)

    def upload(self, content: bytes = ODD, *, finish: bool = True, **values: Any) -> FileRef:
        ref = self.uploader.upload(content, sha256=str(len(self.all())), **values)
        parsed = self.run(self.parse.parse_file, ref)
        assert parsed.problem is None
        if finish:
            result = self.run(self.validate.validate_part, PartRef(**ref.model_dump(), part=0))
            assert result.valid == 0
            counts = RowCounts(total=result.rejected, rejected=result.rejected)
            progress = FileProgress(status=FileStatus.COMPLETED)
            request = FinishInput(**ref.model_dump(), expected=counts, progress=progress)
            for _ in range(2):
                self.run(self.keeper.finish_file, request)
        return ref

    def all(self) -> list[Any]:
        ref = FileRef(organization_id=self.uploader.organization_id, file_id=self.uploader.user_id)
        return self.uploader.rows(
            "SELECT id FROM files WHERE organization_id = :organization_id", ref
        )

    def columns(self, ref: FileRef) -> dict[str, tuple[Any, str]]:
        """Return heading → (field, why)."""
        [table] = self.uploader.file(ref).recognized["tables"]
        return {c["heading"]: (c["field"], c["why"]) for c in table["columns"]}

    def remembered(self, ref: FileRef) -> list[Any]:
        return self.uploader.rows(
            "SELECT * FROM column_mappings WHERE organization_id = :organization_id"
            " ORDER BY confirmed_at",
            ref,
        )


@pytest.fixture
def pipeline(
    uploader: Uploader, worker_engine: Engine, tmp_path: Path, run: Callable[..., Any]
) -> Pipeline:
    return Pipeline(uploader, worker_engine, tmp_path / "work", run)


def test_the_next_upload_with_the_same_headings_follows_and_says_so(pipeline: Pipeline) -> None:
    first = pipeline.upload(filename="one.csv", mapping=MAPPING, remember_mapping=True)
    [kept] = pipeline.remembered(first)
    assert (kept.mapping, kept.file_id, kept.filename) == (MAPPING, first.file_id, "one.csv")
    assert kept.headings == ["Objekt", "Wozu", "Zahl A", "Zahl B"]
    again = pipeline.upload(ODD.replace(b"Wozu", b"WOZU").replace(b"7", b"9"))
    field, why = pipeline.columns(again)["Zahl B"]
    assert field == "volume"
    assert why == f"remembered from an earlier upload of {kept.confirmed_at.date().isoformat()}"
    assert pipeline.columns(again)["WOZU"][0] == "activity_name"
    assert pipeline.uploader.file(again).column_mapping_ids == [kept.id]
    assert len(pipeline.remembered(first)) == 1  # following is not confirming
    events = pipeline.uploader.rows(
        "SELECT object_id FROM audit_events WHERE organization_id = :organization_id"
        " AND action = 'mapping.remembered'",
        first,
    )
    assert [event.object_id for event in events] == [kept.id]


def test_other_headings_are_read_as_ever(pipeline: Pipeline) -> None:
    pipeline.upload(mapping=MAPPING, remember_mapping=True)
    other = pipeline.upload(b"Objekt,Zahl B,Menge\nDiesel,1,2\n")
    assert pipeline.columns(other)["Menge"][0] == "volume"
    assert pipeline.uploader.file(other).column_mapping_ids == []


def test_a_new_mapping_wins_and_replaces_the_remembered_one(pipeline: Pipeline) -> None:
    first = pipeline.upload(mapping=MAPPING, remember_mapping=True)
    other = {"Objekt": "activity_name", "Zahl A": "volume"}
    second = pipeline.upload(mapping=other, remember_mapping=True)
    assert pipeline.columns(second)["Zahl A"] == ("volume", "named in the upload's mapping")
    old, new = pipeline.remembered(first)
    assert old.replaced_at is not None
    assert (new.replaced_at, new.mapping) == (None, other)


@pytest.mark.parametrize(
    "given",
    [
        {"mapping": MAPPING, "remember_mapping": False},  # of a member limited to projects
        {"mapping": {"unit": "furlong"}, "remember_mapping": True},  # says nothing of a column
    ],
)
def test_what_does_not_confirm_is_not_remembered(pipeline: Pipeline, given: dict[str, Any]) -> None:
    content = ODD if given["mapping"] == MAPPING else b"Activity,Quantity\nDiesel,2\n"
    assert pipeline.remembered(pipeline.upload(content, **given)) == []


def test_a_file_that_did_not_complete_confirms_nothing(pipeline: Pipeline) -> None:
    ref = pipeline.upload(finish=False, mapping=MAPPING, remember_mapping=True)
    assert pipeline.remembered(ref) == []


def test_another_organization_learns_nothing(
    pipeline: Pipeline, platform_engine: Engine, worker_engine: Engine, tmp_path: Path,
    run: Callable[..., Any],
) -> None:  # fmt: skip
    pipeline.upload(mapping=MAPPING, remember_mapping=True)
    stranger = Uploader.make(platform_engine, pipeline.uploader.storage, "Other")
    theirs = Pipeline(stranger, worker_engine, tmp_path / "theirs", run)
    ref = theirs.upload(b"Objekt,Wozu,Zahl A,Zahl B\nHalle,Diesel,,\n", finish=False,
                        mapping={"Zahl A": "volume"})  # fmt: skip
    assert theirs.columns(ref)["Zahl B"][0] != "volume"
    assert theirs.remembered(ref) == []


def test_a_mapping_of_more_columns_than_are_shown_is_remembered_all_the_same(
    pipeline: Pipeline,
) -> None:
    long = "\N{EXTRATERRESTRIAL ALIEN}" * 110
    more = "".join(f",h{n} {long}" for n in range(480))
    first, *rest = ODD.decode().splitlines()
    table = "\n".join([first + more, *rest])
    mapping = {**MAPPING, f"h479 {long}": "ignore"}
    ref = pipeline.upload(table.encode(), mapping=mapping, remember_mapping=True)
    recognized = pipeline.uploader.file(ref).recognized
    assert recognized["tables"][0]["columns_not_listed"] > 300
    assert "outside" not in recognized["tables"][0]
    [kept] = pipeline.remembered(ref)
    assert kept.mapping == mapping
    assert len(kept.headings) == 484
