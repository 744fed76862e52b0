"""The progress of one file as the workflow knows it: pure bookkeeping, answered to queries."""

from __future__ import annotations

import datetime as dt

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from core.contracts import (
        STATUS_OF_STAGE,
        Counts,
        FileProgress,
        FileStatus,
        Problem,
        Stage,
        StageProgress,
        StageState,
    )

# Share of the whole that is done when a stage begins, in percent: measured on 200,000 rows,
# parsing and validating take a quarter, matching depends on the ranker, calculation is the rest.
PERCENT_AT = {
    Stage.SCAN: 0.0,
    Stage.PARSE: 2.0,
    Stage.VALIDATE: 15.0,
    Stage.MATCH: 30.0,
    Stage.CALCULATE: 60.0,
    Stage.FINISH: 97.0,
}


class ProgressKeeper:
    """Holds a FileProgress and moves it forward."""

    def __init__(self) -> None:
        self.current = FileProgress()

    def resume(self, progress: FileProgress) -> None:
        """Take up the progress of an earlier run."""
        self.current = progress

    def begin(self, stage: Stage, now: dt.datetime) -> None:
        """Close the running stage and open `stage`."""
        self._set(self.current.stage, now, StageState.COMPLETED)
        self._set(stage, now, StageState.RUNNING)
        self.current = self.current.model_copy(
            update={"stage": stage, "status": STATUS_OF_STAGE[stage], "eta": None}
        )
        self.count(percent=PERCENT_AT[stage])

    def ended(
        self,
        status: FileStatus,
        now: dt.datetime,
        problem: Problem | None = None,
        state: StageState = StageState.COMPLETED,
    ) -> FileProgress:
        """Return the progress of the file as it will be once it has ended so."""
        last = ProgressKeeper()
        last.current = self.current
        last._set(self.current.stage, now, state)
        errors = (*self.current.errors, problem) if problem else self.current.errors
        last.current = last.current.model_copy(
            update={"status": status, "errors": errors, "eta": None}
        )
        if status is FileStatus.COMPLETED:
            last.count(percent=100.0)
        return last.current

    def attempted(self, attempt: int) -> None:
        """Note on which attempt an activity of the running stage came through."""
        stages = tuple(
            s.model_copy(update={"attempts": max(s.attempts, attempt)})
            if s.name is self.current.stage
            else s
            for s in self.current.stages
        )
        self.current = self.current.model_copy(
            update={"stages": stages, "retries": self.current.retries + attempt - 1}
        )

    def count(self, **counts: float) -> None:
        """Set counters by name."""
        progress = self.current.progress.model_copy(update=counts)
        self.current = self.current.model_copy(update={"progress": progress})

    def advance(self, done: int, total: int, now: dt.datetime) -> None:
        """Move the percentage within the running stage and estimate when the stage ends."""
        stage = self.current.stage
        if stage is None or total <= 0:
            return
        order = list(Stage)
        following = order.index(stage) + 1
        ceiling = PERCENT_AT[order[following]] if following < len(order) else 100.0
        floor = PERCENT_AT[stage]
        self.count(percent=round(floor + (ceiling - floor) * min(done / total, 1.0), 1))
        started = next((s.started_at for s in self.current.stages if s.name is stage), None)
        if started and 0 < done < total:
            eta = now + (now - started) / done * (total - done)
            self.current = self.current.model_copy(update={"eta": eta})

    def markdown(self) -> str:
        """Say where the file stands, for the Web UI."""
        p: Counts = self.current.progress
        lines = [f"**{self.current.status}** · {p.percent:.0f} %", ""]
        lines += [
            f"- {s.name}: {s.state}" + (f", attempt {s.attempts}" if s.attempts > 1 else "")
            for s in self.current.stages
        ]
        lines += [
            "",
            f"rows {p.rows_total} · valid {p.rows_valid} · calculated {p.rows_calculated} · "
            f"activities {p.activities_matched}/{p.activities_to_match}",
        ]
        lines += [f"- `{e.code}` {e.message}" for e in self.current.errors]
        return "\n".join(lines)

    def _set(self, stage: Stage | None, now: dt.datetime, state: StageState) -> None:
        if stage is None:
            return
        stages = tuple(
            self._moved(s, now, state) if s.name is stage else s for s in self.current.stages
        )
        self.current = self.current.model_copy(update={"stages": stages})

    @staticmethod
    def _moved(stage: StageProgress, now: dt.datetime, state: StageState) -> StageProgress:
        if state is StageState.RUNNING:
            return stage.model_copy(update={"state": state, "started_at": now, "attempts": 1})
        return stage.model_copy(update={"state": state, "finished_at": now})
