"""`make demo`: a messy workbook through the real API, until every figure is explained."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from core.errors import InvalidInput, Unavailable
from core.records import NO_ACTIVITY
from runtime.demo_tables import issue_table, largest_table, review_table, scope_table
from runtime.demo_uploads import remember, remembered
from runtime.dev import Addresses, DevStack, running_stack

WORKBOOK = Path(__file__).parent.parent / "tests" / "data" / "demo.xlsx"
TIMEOUT_S = 180
POLL_S = 0.2
PLAIN_WIDTH = 110
MARKS = {"pending": "[dim]·[/]", "running": "[yellow]▸[/]", "completed": "[green]✓[/]",
         "failed": "[red]✗[/]", "cancelled": "[red]✗[/]"}  # fmt: skip

Json = dict[str, Any]


class Api:
    """The API as a curl user sees it; every call is shown as the curl line that equals it."""

    def __init__(self, where: Addresses, console: Console) -> None:
        self.where = where
        self.console = console
        self.client = httpx.Client(base_url=where.api_url, timeout=30)

    def login(self) -> None:
        """Exchange the demo login for an access token."""
        body = {"email": self.where.email, "password": self.where.password}
        self.show(
            "/v1/auth/login",
            f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'",
            after="   # the answer's access_token is $TOKEN below",
        )
        answer = self.checked(self.client.post("/v1/auth/login", json=body))
        self.client.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def upload(self, path: Path, region: str | None) -> Json:
        """Upload a workbook; somebody else may have uploaded the same bytes."""
        route = "/v1/files?allow_duplicate=true"
        form = {"region": region} if region else {}
        fields = "".join(f" -F {name}={shlex.quote(value)}" for name, value in form.items())
        self.show(route, f"-F file=@{shlex.quote(shown_path(path))}{fields}")
        with path.open("rb") as stream:
            return self.checked(
                self.client.post(route, files={"file": (path.name, stream)}, data=form)
            )

    def get(self, route: str, *, show: bool = True) -> Json:
        """Read one resource."""
        if show:
            self.show(route)
        return self.checked(self.client.get(route))

    def find(self, route: str) -> Json | None:
        """Read one resource without showing it; None where there is none."""
        answer = self.client.get(route)
        return None if answer.status_code == 404 else self.checked(answer)

    def delete(self, route: str) -> None:
        """Delete one resource."""
        self.show(route, "-X DELETE")
        self.checked(self.client.delete(route))

    def post(self, route: str, body: Json) -> Json:
        """Ask for something to be made."""
        text = shlex.quote(json.dumps(body))
        self.show(route, f"-H 'Content-Type: application/json' -d {text}")
        return self.checked(self.client.post(route, json=body))

    def save(self, url: str, target: Path) -> None:
        """Download a link, which is its own right of access, to a file."""
        with httpx.stream("GET", url, timeout=60) as answer:
            answer.raise_for_status()
            with target.open("wb") as sink:
                for chunk in answer.iter_bytes():
                    sink.write(chunk)

    def show(self, route: str, rest: str = "", *, after: str = "") -> None:
        """Print the request as a curl line that can be pasted."""
        token = "" if route.startswith("/v1/auth") else '-H "Authorization: Bearer $TOKEN" '
        url = shlex.quote(f"{self.where.api_url}{route}")
        line = f"$ curl {token}{rest + ' ' if rest else ''}{url}{after}"
        self.console.print(Text(line, style="dim"), soft_wrap=True)

    @staticmethod
    def checked(answer: httpx.Response) -> Json:
        """Return the body; raise InvalidInput with the problem's own words."""
        body: Json = answer.json()
        if answer.is_error:
            raise InvalidInput(f"{answer.status_code}: {body.get('detail') or body.get('title')}")
        return body


def make_console() -> Console:
    """Return a console; output that goes to a file is not squeezed into 80 columns."""
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def shown_path(path: Path) -> str:
    """Return a path as a user would type it from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def run(state_dir: Path, file: Path | None, region: str | None) -> int:
    """Run the demo on a stack of its own, or on the one that `make dev` runs already."""
    console = make_console()
    path = (file or WORKBOOK).resolve()
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}")
    started = time.monotonic()
    with stack(state_dir, console) as (where, tend):
        console.print(f"  up after {time.monotonic() - started:.0f} s\n")
        api = Api(where, console)
        api.login()
        delete_former(api, path, state_dir)
        # Only the demo workbook is known to be British; nothing is assumed of another file.
        accepted = api.upload(path, region or (None if file else "GB"))
        file_id = accepted["file_id"]
        remember(state_dir, [*remembered(state_dir), file_id])
        status = watch(api, file_id, tend, console)
        detail = api.get(f"/v1/files/{file_id}")
        if status["status"] == "failed":
            return show_failure(console, detail)
        show_result(api, detail, console)
        report = make_report(api, file_id, state_dir / "demo-report.pdf", tend)
        show_links(where, detail, report, console)
        if sys.stdin.isatty() and running_stack(state_dir) is not None:
            wait_for_enter(console, tend)
    return 0


def delete_former(api: Api, path: Path, state_dir: Path) -> None:
    """Delete what demos before this one uploaded of the same bytes: nothing must count double.

    Whatever a person uploaded stays, also of these bytes and with this login.
    """
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    kept = []
    for file_id in remembered(state_dir):
        route = f"/v1/files/{file_id}"
        former = api.find(route)
        if former is None:
            continue  # somebody deleted it
        if former["sha256"] == sha256:
            api.delete(route)
        else:
            kept.append(file_id)
    remember(state_dir, kept)


@contextlib.contextmanager
def stack(state_dir: Path, console: Console) -> Iterator[tuple[Addresses, Callable[[], None]]]:
    """Yield where a stack is reached, and what to call now and then to keep it running."""
    if running := running_stack(state_dir):
        console.print(f"Using the stack that runs already (pid {running.pid}).")
        yield running, lambda: None
        return
    console.print("[bold]tonnage[/]: starting everything on this machine")
    with DevStack(state_dir, lambda step: console.print(f"  {step} …")) as own:
        if own.addresses is None:
            raise Unavailable("the stack did not start")
        yield own.addresses, own.tend


def watch(api: Api, file_id: str, tend: Callable[[], None], console: Console) -> Json:
    """Show the stages until the file ends."""
    route = f"/v1/files/{file_id}/status"
    api.show(route)
    if not console.is_terminal:
        status = follow(api, route, tend, lambda _: None, console)
        console.print(progress_view(status))
        return status
    with Live(console=console, refresh_per_second=10) as live:
        return follow(api, route, tend, lambda s: live.update(progress_view(s)), None)


def follow(
    api: Api,
    route: str,
    tend: Callable[[], None],
    draw: Callable[[Json], object],
    plain: Console | None,
) -> Json:
    """Ask for the status until the file ends; without a terminal print a line a stage.

    Gives up when nothing has moved for a long time, not because the whole takes long.
    """
    last: tuple[object, ...] = ()
    moved_at = time.monotonic()
    while True:
        tend()
        status = api.get(route, show=False)
        draw(status)
        now = (status["status"], status["stage"], *status["progress"].values())
        if now != last:
            if plain and now[1] != (last[1] if last else None):
                plain.print(f"  {status['stage'] or 'queued'} …")
            last, moved_at = now, time.monotonic()
        if status["status"] in ("completed", "failed"):
            return status
        if time.monotonic() - moved_at > TIMEOUT_S:
            raise Unavailable(f"nothing has moved for {TIMEOUT_S} s; see .tonnage/logs")
        time.sleep(POLL_S)


def progress_view(status: Json) -> Group:
    """Draw stages, counters and a bar."""
    counts = status["progress"]
    stages = "  ".join(f"{MARKS[s['state']]} {s['name']}" for s in status["stages"])
    numbers = (
        f"rows {counts['rows_total']}   usable {counts['rows_valid']}   "
        f"matched {counts['activities_matched']}/{counts['activities_to_match']}   "
        f"calculated {counts['rows_calculated']}"
    )
    lines: list[Any] = [Text.from_markup(stages)]
    bar = Table.grid()
    bar.add_row(ProgressBar(total=100, completed=counts["percent"], width=60))
    lines.append(bar)
    lines.append(Text(numbers, style="cyan"))
    for retry in status.get("retrying", []):
        lines.append(
            Text(
                f"retrying {retry['stage']}, attempt {retry['attempt']}: {retry['last_error']}",
                style="yellow",
            )
        )
    return Group(*lines)


def show_failure(console: Console, detail: Json) -> int:
    """Say why a file could not be processed."""
    console.print(
        Panel.fit(f"{detail['error_code']}: {detail['error_message']}", title="failed", style="red")
    )
    return 1


def show_result(api: Api, detail: Json, console: Console) -> None:
    """Print what came out, the way an auditor would ask for it."""
    file_id = detail["id"]
    rows = detail["rows"]
    console.print(
        f"\n[bold]Rows in = rows out[/]   {rows['total']} = {rows['calculated']} calculated + "
        f"{rows['in_review']} in review + {rows['rejected'] - rows['no_activity']} rejected + "
        f"{rows['no_activity']} no activity (blank, total, heading, note)\n"
    )
    largest = api.get(f"/v1/emissions?file_id={file_id}&sort=-emission&limit=5")
    console.print(scope_table(largest["summary"]))
    details = [api.get(f"/v1/emissions/{e['id']}", show=False) for e in largest["results"]]
    console.print(largest_table(details))
    explain(api, file_id, console)
    reviews = api.get(f"/v1/emissions/reviews?file_id={file_id}&limit=200")["reviews"]
    if reviews:
        console.print(review_table(reviews, rows["in_review"]))
    issues = api.get(f"/v1/files/{file_id}/issues?severity=rejected")["issues"]
    for title, idle in (("Rejected: needs you", False), ("No activity", True)):
        if some := [one for one in issues if (one["code"] in NO_ACTIVITY) is idle]:
            console.print(issue_table(title, some))


def explain(api: Api, file_id: str, console: Console) -> None:
    """Print one figure step by step: the one with the longest way from cell to kg CO2e."""
    found = api.get(f"/v1/emissions?file_id={file_id}&limit=200", show=False)["results"]
    details = [api.get(f"/v1/emissions/{e['id']}", show=False) for e in found]
    one = max(details, key=lambda d: (len(d["calculation"]["steps"]), d["emission_kg_co2e"]))
    api.show(f"/v1/emissions/{one['id']}")
    inputs, steps = one["calculation"]["inputs"], one["calculation"]["steps"]
    lines = [
        f"{one['source_file']['filename']}, "
        + (f"sheet “{one['sheet']}”, " if one["sheet"] else "")
        + f"row {one['row']} "
        f"(sha256 {one['source_file']['sha256'][:12]}…)",
        "",
        f"1. “{inputs['volume_text']}” “{inputs['unit_text']}” in the upload, "
        f"read as {steps[0]['value']:,.10g} {steps[0]['unit']}",
    ]
    for number, step in enumerate(steps[1:], 2):
        lines.append(f"{number}. {step['text']} = {step['value']:,.10g} {step['unit']}")
        lines.append(f"   ({step['source']})")
    match = one["match"]
    lines += ["", *(f"· {r['sentence']}" for r in match["reasons"])]
    lines += [f"· asked for {f['kind']} {f['requested']}, used {f['used']}"
              for f in one["calculation"]["fallbacks"]]  # fmt: skip
    others = [with_basis(api, c) for c in match["candidates"][1:4]]
    if others:
        lines.append(f"· considered next: {'; '.join(others)}")
    title = f"{one['activity_name']}: {one['emission_kg_co2e']:,.4f} kg CO2e, step by step"
    console.print(Panel(Text("\n".join(lines)), title=Text(title), title_align="left"))


def with_basis(api: Api, candidate: Json) -> str:
    """Name a candidate; factors of net and gross calorific value often share their name."""
    factor = api.find(f"/v1/emission-factors/{candidate['factor_id']}")
    basis = factor and factor["basis"]
    return f"{candidate['name']} ({basis} calorific value)" if basis else str(candidate["name"])


def make_report(api: Api, file_id: str, target: Path, tend: Callable[[], None]) -> Path:
    """Have the file's footprint written as a PDF, and save it."""
    body = {
        "name": "Greenhouse gas report",
        "file_format": "pdf",
        "report_type": "detailed",
        "criteria": {"file_id": file_id},
    }
    route = f"/v1/emissions/reports/{api.post('/v1/emissions/reports', body)['report_id']}"
    api.show(route, after="   # until its status is completed")
    deadline = time.monotonic() + TIMEOUT_S
    while (report := api.get(route, show=False))["status"] == "generating":
        if time.monotonic() > deadline:
            raise Unavailable(f"the report is not done after {TIMEOUT_S} s; see .tonnage/logs")
        tend()
        time.sleep(POLL_S)
    if not report["download_url"]:
        raise Unavailable(report["error_message"] or "the report could not be written")
    api.save(report["download_url"], target)
    return target


def show_links(where: Addresses, detail: Json, report: Path, console: Console) -> None:
    """Say where to look further."""
    job = detail["processing_job_id"].replace("/", "%2F")
    console.print(
        Panel.fit(
            f"PDF report    {shown_path(report.resolve())}\n"
            f"API docs      {where.api_url}/docs\n"
            f"This pipeline {where.temporal_ui_url}/namespaces/tonnage/workflows/{job}\n"
            f"Login         {where.email}  /  {where.password}\n"
            "Keep it up    make dev\n"
            'Your own file make demo ARGS="--file FILE --region DE"',
            title="Where to look",
            title_align="left",
        )
    )


def wait_for_enter(console: Console, tend: Callable[[], None]) -> None:
    """Leave the stack up so that the links work, until somebody has seen enough."""
    import select

    console.print("Everything is still running, so the links work. Press Enter to stop.")
    with contextlib.suppress(KeyboardInterrupt):
        while not select.select([sys.stdin], [], [], 0.3)[0]:
            tend()
