"""Which test process runs what, under `-n 2`.

pytest-xdist's own groups are lost with pytest 9.2, silently (its issue 1386).
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

TOGETHER = "tests/e2e/"  # whole stacks, on the usual ports


class ByFile(LoadScopeScheduling):
    """A file's tests stay together, for their fixtures; those of whole stacks do, for their ports.

    The stacks come first: they take longest, and the other processes do the rest beside them.
    """

    def _split_scope(self, nodeid: str) -> str:
        """Return the unit of work that a test belongs to."""
        return TOGETHER if nodeid.startswith(TOGETHER) else nodeid.partition("::")[0]

    def _assign_work_unit(self, node: object) -> None:
        """Hand the next unit to a test process."""
        if TOGETHER in self.workqueue:
            self.workqueue.move_to_end(TOGETHER, last=False)
        super()._assign_work_unit(node)
