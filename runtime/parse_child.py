"""Parses a file in a child process, because a 1.7 KB workbook can abort the one that reads it.

`run_parse` is the parent's side; `python -m runtime.parse_child` is the child: a request as JSON on
stdin, an answer as JSON on stdout. The child limits itself before it touches the file, gets no
environment of ours (so no secrets), and dies with its parent.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import FileRejected, ParserFailed, Unavailable
from runtime import child

if TYPE_CHECKING:
    from core.parsing.report import ParseOptions, ParseReport
    from core.parsing.structure import StructureVerdict

DEFAULT_MEMORY_MB = 1_024
# One BLAS thread, as one malloc arena, saves address space that would never be touched.
_CHILD_ENVIRONMENT = child.ENVIRONMENT | {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def run_parse(
    source: Path,
    out_dir: Path,
    options: ParseOptions,
    *,
    timeout_s: float,
    memory_mb: int = DEFAULT_MEMORY_MB,
    on_tick: Callable[[], None] = lambda: None,
) -> ParseReport:
    """Run core.parsing.parse.parse_file in a limited child and return its report.

    Calls `on_tick` about every second; if it raises, the child is killed and the exception goes
    on. Raises FileRejected with the child's code, or "file_resource_limit" when the child ran out
    of memory or time or was killed; Unavailable when it was told to end from outside, ParserFailed
    when it broke otherwise.
    """
    from core.parsing.report import ParseReport

    request = {
        "source": str(source),
        "out_dir": str(out_dir),
        "options": options.model_dump(mode="json"),
    }
    decoded = _ask(request, timeout_s, memory_mb, on_tick)
    return ParseReport.model_validate(decoded["report"])


def run_check(
    source: Path,
    declared_name: str,
    *,
    timeout_s: float,
    memory_mb: int = DEFAULT_MEMORY_MB,
    on_tick: Callable[[], None] = lambda: None,
) -> StructureVerdict:
    """Run core.parsing.structure.check_structure in a limited child and return its verdict.

    The check walks through the XML of whoever sent it. A child that ran out of memory or time is
    a verdict too; Unavailable and ParserFailed as above.
    """
    from core.parsing.structure import StructureVerdict

    request = {"source": str(source), "declared_name": declared_name}
    try:
        decoded = _ask(request, timeout_s, memory_mb, on_tick)
    except FileRejected as rejected:
        return StructureVerdict(False, "", rejected.code, rejected.message)
    return StructureVerdict(**decoded["verdict"])


def _ask(
    request: dict[str, Any], timeout_s: float, memory_mb: int, on_tick: Callable[[], None]
) -> dict[str, Any]:
    request = request | {"memory_mb": memory_mb, "cpu_s": math.ceil(timeout_s)}
    try:
        answer = child.ask(
            "runtime.parse_child",
            json.dumps(request).encode(),
            environment=_CHILD_ENVIRONMENT,
            timeout_s=timeout_s,
            on_tick=on_tick,
        )
    except child.OutOfLimits:
        raise _resource_limit() from None
    except child.Stopped:
        raise Unavailable("the process that opens files was stopped") from None
    except child.Broke as broke:
        raise ParserFailed(str(broke)) from None
    decoded: dict[str, Any] = json.loads(answer)
    if "rejected" in decoded:
        raise FileRejected(decoded["rejected"]["message"], code=decoded["rejected"]["code"])
    return decoded


def _resource_limit() -> FileRejected:
    return FileRejected(
        "The file needs more memory or time than one file may take. Split it, remove unused "
        "sheets, or save the table as .csv.",
        code="file_resource_limit",
    )


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    # Imported here, never by the parent; and before the limits, so that running into one is always
    # the doing of the file, which is not touched until then.
    from core.parsing.parse import parse_file
    from core.parsing.report import ParseOptions
    from core.parsing.structure import check_structure

    source = Path(request["source"])
    options = ParseOptions.model_validate(request.get("options", {}))
    child.limit_self(child.Limits(request["memory_mb"], request["cpu_s"]))
    try:
        if "declared_name" in request:
            return {"verdict": asdict(check_structure(source, request["declared_name"]))}
        report = parse_file(source, Path(request["out_dir"]), options)
    except FileRejected as rejected:
        return {"rejected": {"code": rejected.code, "message": rejected.message}}
    except (MemoryError, RecursionError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in child.EXHAUSTED:
            raise
        limit = _resource_limit()
        return {"rejected": {"code": limit.code, "message": limit.message}}
    return {"report": report.model_dump(mode="json")}


def main() -> int:
    """Answer one request. Exit status 1 and a place in the code, without data, on a defect."""
    request: dict[str, Any] = json.load(sys.stdin)
    try:
        answer = _answer(request)
    except Exception as error:
        child.complain(error)
        return 1
    json.dump(answer, sys.stdout, ensure_ascii=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
