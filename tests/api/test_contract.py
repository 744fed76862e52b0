"""docs/contract.md names, for every promise of the API, tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "contract.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`")


@cache
def names_in(path: str) -> set[str]:
    """Return the names of the tests in a file, those in classes included."""
    tree = ast.parse((ROOT / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


def promises() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return every promise of the page with the (file, test) pairs that stand beside it."""
    rows = re.findall(r"^\| (.+) \| ([^|]+) \|$", PAGE.read_text(), re.M)
    return [(told, NAMED.findall(tests)) for told, tests in rows if told != "promise"]


def test_every_promise_names_tests_that_exist() -> None:
    assert len(promises()) >= 55
    for told, tests in promises():
        assert tests, f"nothing holds: {told}"
        for path, name in tests:
            assert (ROOT / path).exists(), path
            assert not name or name in names_in(path), f"{path}::{name}"
