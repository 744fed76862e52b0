"""What the documents promise exists."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from runtime.cli import parser
from runtime.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "Dockerfile", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    for name in Settings.model_fields:
        variable = f"TONNAGE_{name.upper()}"
        # a row may name several: `TONNAGE_A_B`, `_C_`
        parts = variable.removeprefix("TONNAGE").split("_DATABASE_URL")[0]
        assert variable in text or f"`{parts}_`" in text or suffix_in(text, variable), variable


def suffix_in(text: str, variable: str) -> bool:
    """Tell whether a row lists the variable by its last words after a sibling's full name."""
    for row in text.splitlines():
        full = re.findall(r"`(TONNAGE_\w+)`", row)
        endings = re.findall(r"`(_\w+?)_?`", row)
        if any(variable.endswith(e) for e in endings) and any(
            variable.split("_")[1] == f.split("_")[1] for f in full
        ):
            return True
    return False


def test_links_of_the_readme_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\((?!http)([^)]+)\)", text) + re.findall(
        r"`((?:tests|workflows)/[\w/.]+)`", text
    )
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_readme_names_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named <= targets


def test_the_command_line_has_one_spelling_and_every_command_named_exists() -> None:
    named = set()
    for page in PAGES:
        text = page.read_text()
        assert not re.search(r"python -m runtime\b(?!\.)|alias tonnage", text), page.name
        # a command begins a line of code, stands in backticks, or follows the image's name
        named |= set(re.findall(r"(?:^    |`|tonnage )tonnage ([a-z][a-z -]*)", text, re.M))
    assert {"audit verify", "factors list"} <= {name.strip() for name in named}
    for words in named:
        assert leads_to_a_command(words.split(" -")[0].split()), words


def leads_to_a_command(words: list[str]) -> bool:
    """Tell whether words name a command, whatever arguments follow it."""
    here = parser()
    for word in words:
        choices = next(
            (a.choices for a in here._actions if isinstance(a, argparse._SubParsersAction)), None
        )
        if choices is None:
            return True
        if word not in choices:
            return False
        here = choices[word]
    return here.get_default("run") is not None


def test_the_command_that_make_installs_runs_from_any_directory(tmp_path: Path) -> None:
    project = tmp_path / "a project"
    target = project / ".venv" / "bin" / "tonnage"
    target.parent.mkdir(parents=True)
    for name in ("api", "runtime", "workflows", "activities", "db", "core", "requirements.lock"):
        (project / name).symlink_to(ROOT / name)
    python = target.with_name("python")
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    stamp = tmp_path / "installed"
    stamp.touch()  # newer than the lock file: there is nothing to install
    made = ["make", "-s", "-f", str(ROOT / "Makefile"), "BIN=.venv/bin", f"STAMP={stamp}"]
    # make splits names at blanks, so it is called where the name has none
    subprocess.run([*made, ".venv/bin/tonnage"], cwd=project, check=True, timeout=60)
    (tmp_path / "runtime").mkdir()  # what lies where it is called must not come first
    environment = os.environ | {"PATH": f"{target.parent}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    for command in ("tonnage", "a project/.venv/bin/tonnage"):
        told = subprocess.run(
            [command, "factors", "--help"], cwd=tmp_path, env=environment,
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert "usage: tonnage factors" in told.stdout
