"""Who takes part, and in what kind of process each of them lives.

Which implementation of `session` is used is settled when it is imported, so each contender has a process of its own.

In: a contender's name and a database URL. Out: its world. Next on the way: `worker.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from perf.world import HandWorld, OrmWorld, World


@dataclass(frozen=True)
class Contender:
    """One column of the table.

    Parameters:
        name: what the command line and the table call it.
        orm_name: the module it imports, or None for the bare driver.
        environment: what its process has in its environment beside the usual.
    """

    name: str
    orm_name: str | None
    environment: Mapping[str, str] = field(default_factory=dict)

    def world(self, url: str) -> World:
        """A world for this contender; it is to be made in a process with the right environment."""
        schema = "perf_" + "".join(letter if letter.isalnum() else "_" for letter in self.name)
        if self.orm_name is None:
            return HandWorld(url, schema)
        return OrmWorld(self.orm_name, url, schema)


COMPILED = Contender("session", "session", {"SESSION_PURE_PYTHON": "0"})
PURE = Contender("pure", "session", {"SESSION_PURE_PYTHON": "1"})
REFERENCE = Contender("sqlalchemy.orm", "sqlalchemy.orm")
DRIVER = Contender("by-hand", None)

CONTENDERS = {contender.name: contender for contender in (COMPILED, PURE, REFERENCE, DRIVER)}
