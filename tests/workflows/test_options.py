"""Activities are called by name: every name must be one that some class defines."""

from __future__ import annotations

import importlib
import pkgutil
from datetime import timedelta

import activities
from workflows import options


def defined_names() -> set[str]:
    """Return the names of all activities of the activities package."""
    found = set()
    for module in pkgutil.iter_modules(activities.__path__):
        for thing in vars(importlib.import_module(f"activities.{module.name}")).values():
            if isinstance(thing, type):
                for member in vars(thing).values():
                    definition = getattr(member, "__temporal_activity_definition", None)
                    if definition is not None:
                        found.add(definition.name)
    return found


def test_every_activity_is_defined_and_has_its_options() -> None:
    kinds = {kind.name for kind in options.ALL_ACTIVITIES}
    assert kinds == defined_names()
    named = [v for v in vars(options).values() if isinstance(v, options.ActivityKind)]
    assert {kind.name for kind in named} == kinds


def test_an_attempt_that_lost_its_worker_is_noticed_long_before_it_times_out() -> None:
    for kind in options.ALL_ACTIVITIES:
        assert kind.schedule_to_close > kind.start_to_close
        if kind.start_to_close > timedelta(minutes=1):
            assert kind.heartbeat is not None
            assert kind.heartbeat * 5 <= kind.start_to_close, kind.name
