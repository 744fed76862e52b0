"""Where a retried file goes on: pure bookkeeping over its stored progress."""

from __future__ import annotations

from core.contracts import FileProgress, FileStatus, Stage, StageProgress, StageState

ORDER = tuple(Stage)


def resume_point(progress: FileProgress) -> Stage:
    """Return the first stage that has to run.

    Figures of a file that did not complete are removed, so whatever failed after matching is
    calculated anew.
    """
    done = {s.name for s in progress.stages if s.state is StageState.COMPLETED}
    first = next((stage for stage in ORDER if stage not in done), Stage.FINISH)
    return earlier(first, Stage.CALCULATE)


def earlier(one: Stage, other: Stage) -> Stage:
    """Return the one of two stages that comes first."""
    return min(one, other, key=ORDER.index)


def is_done(stage: Stage, start: Stage) -> bool:
    """Tell whether `stage` lies before the stage at which a run starts."""
    return ORDER.index(stage) < ORDER.index(start)


def restarted(progress: FileProgress, start: Stage, run: int) -> FileProgress:
    """Return the progress with which run number `run` begins at `start`.

    Stages before it keep their times and counts; what is done again is pending.
    """
    counts: dict[str, float] = {"rows_calculated": 0, "percent": 0.0}
    if not is_done(Stage.MATCH, start):
        counts["activities_matched"] = 0
    if not is_done(Stage.VALIDATE, start):
        counts["rows_valid"] = 0
    if not is_done(Stage.PARSE, start):
        counts |= {"rows_total": 0, "rows_parsed": 0, "activities_to_match": 0}
    return progress.model_copy(
        update={
            "status": FileStatus.UPLOADED,
            "stage": None,
            "stages": tuple(
                s if is_done(s.name, start) else StageProgress(name=s.name) for s in progress.stages
            ),
            "progress": progress.progress.model_copy(update=counts),
            "errors": (),
            "eta": None,
            "run": run,
        }
    )
