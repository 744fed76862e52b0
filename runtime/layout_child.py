"""Lays out a PDF in a child process: how long that takes is decided by the words of a tenant.

`lay_out` is the parent's side; `python -m runtime.layout_child` is the child: limits and a page as
JSON on stdin, the PDF on stdout. WeasyPrint and its C libraries hold the interpreter, so that every
report of every tenant would wait; they keep caches of the process, so that two threads must not be
in them; and they are never told to stop. A child ends in all three. It costs 0.7 s (measured).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from core.errors import ReportTooLarge, TonnageError, Unavailable
from runtime import child

DEFAULT_MEMORY_MB = 1_024  # 560 MB of address space for 700 rows of long words (measured)
DEFAULT_CPU_S = 120
# On the clock a layout may take so much longer: a busy machine is not the fault of the report.
PATIENCE = 5
_LATER = 10  # how nice a child is: layouts take minutes, what others wait for takes moments


class LayoutFailed(TonnageError):
    """The layout met something it was not written for; the cause is in the log."""

    code = "layout_failed"


def lay_out(
    page: str, scratch: Path, *, memory_mb: int = DEFAULT_MEMORY_MB, cpu_s: int = DEFAULT_CPU_S
) -> bytes:
    """Return a page of HTML as a tagged PDF.

    Raises ReportTooLarge when it takes more than its limits, Unavailable when the child was told to
    end from outside, LayoutFailed when it broke otherwise.
    `scratch` is a directory where temporary files may be written.
    """
    request = {"page": page, "memory_mb": memory_mb, "cpu_s": cpu_s}
    # WeasyPrint hands fonts to fontconfig as files; a child that is killed leaves them.
    with tempfile.TemporaryDirectory(prefix="tonnage-pdf-", dir=scratch) as own:
        try:
            return child.ask(
                "runtime.layout_child",
                json.dumps(request).encode(),
                environment=child.ENVIRONMENT | {"TMPDIR": own},
                timeout_s=PATIENCE * cpu_s,
            )
        except child.OutOfLimits:
            raise ReportTooLarge from None
        except child.Stopped:
            raise Unavailable("the process that lays out pages was stopped") from None
        except child.Broke as broke:
            raise LayoutFailed(str(broke)) from None


def draw(page: str, limits: child.Limits) -> bytes:
    """Lay out a page within limits. Nothing is opened but what stands in the page itself."""
    from weasyprint import HTML
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher

    child.limit_self(limits)
    fetcher = URLFetcher(allowed_protocols=["data"], fail_on_errors=True)
    drawn: bytes = HTML(string=page, base_url=None, url_fetcher=fetcher).write_pdf(
        font_config=FontConfiguration(), pdf_tags=True, pdf_variant="pdf/ua-1"
    )
    return drawn


def main() -> int:
    """Answer one request. Exit status 1 and a place in the code, without data, on a defect."""
    warnings.simplefilter("ignore")  # stderr is for what breaks
    os.nice(_LATER)
    request: dict[str, Any] = json.load(sys.stdin)
    try:
        drawn = draw(request["page"], child.Limits(request["memory_mb"], request["cpu_s"]))
    except BaseException as error:  # FatalURLFetchingError is no Exception
        if isinstance(error, OSError) and error.errno in child.EXHAUSTED:
            return 2
        child.complain(error)
        return 1
    sys.stdout.buffer.write(drawn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
