"""The child that lays out pages: it may be stopped, nobody else is, and it opens nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pypdfium2
import pytest

from core.errors import ReportTooLarge, Unavailable
from runtime import child, layout_child
from runtime.layout_child import LayoutFailed, lay_out

pytestmark = pytest.mark.timeout(240)
SHORT = "<html lang=en><title>Year</title><p>1,234.5 t"
# Every letter may end a line, and each is tried in each of the cells: minutes.
ENDLESS = (
    "<html lang=en><title>Year</title><style>td { overflow-wrap: anywhere }</style><table>"
    + f"<tr><td>{'W' * 2_000}<td>{'W' * 2_000}" * 200
)


def pages(data: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(data)
    return [page.get_textpage().get_text_bounded() for page in document]


def test_a_page_is_laid_out_and_leaves_nothing_behind(tmp_path: Path) -> None:
    assert pages(lay_out(SHORT, tmp_path)) == ["1,234.5 t"]
    assert list(tmp_path.iterdir()) == []


def test_a_layout_that_takes_too_much_time_is_stopped_and_others_go_on(tmp_path: Path) -> None:
    with pytest.raises(ReportTooLarge):
        lay_out(ENDLESS, tmp_path, cpu_s=2)
    assert list(tmp_path.iterdir()) == []
    assert len(pages(lay_out(SHORT, tmp_path))) == 1


def test_a_layout_that_takes_too_much_memory_is_stopped(tmp_path: Path) -> None:
    rows = "<tr><td>a<td>b<td>c" * 50_000
    with pytest.raises(ReportTooLarge):
        lay_out(f"<table>{rows}</table>", tmp_path, memory_mb=256)


def test_a_layout_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "endless"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import signal\nwhile True:\n    signal.pause()\n")
    monkeypatch.setitem(child.ENVIRONMENT, "PYTHONPATH", str(folder))
    monkeypatch.setattr(child, "TICK_S", 0.05)
    monkeypatch.setattr(layout_child, "PATIENCE", 0.01)
    with pytest.raises(ReportTooLarge):
        lay_out(SHORT, tmp_path)


def test_a_layout_that_is_told_to_end_with_its_worker_is_not_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n"
    )
    monkeypatch.setitem(child.ENVIRONMENT, "PYTHONPATH", str(tmp_path))
    with pytest.raises(Unavailable):
        lay_out(SHORT, tmp_path)


def test_a_child_whose_worker_is_gone_lays_out_nothing(tmp_path: Path) -> None:
    request = json.dumps({"page": SHORT, "memory_mb": 1024, "cpu_s": 60}).encode()

    def laid_out(worker: int) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "runtime.layout_child", str(worker)]
        environment = child.ENVIRONMENT | {"TMPDIR": str(tmp_path)}
        return subprocess.run(
            command, input=request, cwd=child.PROJECT, env=environment, capture_output=True,
            check=False,
        )  # fmt: skip

    assert laid_out(os.getpid()).stdout.startswith(b"%PDF")
    orphan = laid_out(os.getppid())
    assert (orphan.stdout, orphan.returncode) == (b"", -signal.SIGKILL)


@pytest.mark.parametrize("address", ["file:///etc/hostname", "http://127.0.0.1:9/x.png"])
def test_a_page_that_asks_for_a_file_or_an_address_is_not_laid_out(
    tmp_path: Path, address: str
) -> None:
    with pytest.raises(LayoutFailed) as caught:
        lay_out(f'{SHORT}<img src="{address}" alt="x">', tmp_path)
    assert address not in caught.value.message  # type and place only


def test_the_child_sees_nothing_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONNAGE_SECRET_KEY", "nobody's")
    folder = tmp_path / "look"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import os, pathlib\n"
        "pathlib.Path(__file__).with_name('seen').write_text(' '.join(os.environ))\n"
    )
    path = os.pathsep.join((str(folder), str(child.PROJECT)))
    monkeypatch.setitem(child.ENVIRONMENT, "PYTHONPATH", path)
    lay_out(SHORT, tmp_path)
    seen = set((folder / "seen").read_text().split())
    assert "TMPDIR" in seen
    assert seen <= {*child.ENVIRONMENT, "TMPDIR", "LC_CTYPE"}
