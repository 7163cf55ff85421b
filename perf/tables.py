"""The tables that every contender works on, written in Core so that all of them start from the same ones.

In: nothing. Out: a `Tables` with a `MetaData` of its own. Next on the way: `models.py` maps them, `world.py`
fills them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table


@dataclass(frozen=True)
class Tables:
    """One set of tables: `person` stands alone, `parent` has many `child`, `node` refers to itself."""

    metadata: MetaData
    person: Table
    parent: Table
    child: Table
    node: Table


def make_tables() -> Tables:
    """Make the tables anew, so that two ORMs in one process never map the same `Table` object."""
    metadata = MetaData()
    person = Table(
        "perf_person",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String(50), nullable=False),
        Column("email", String(80), nullable=False),
        Column("age", Integer, nullable=False),
        Column("city", String(50), nullable=False),
    )
    parent = Table(
        "perf_parent",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String(50), nullable=False),
    )
    child = Table(
        "perf_child",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("parent_id", ForeignKey("perf_parent.id"), nullable=False, index=True),
        Column("name", String(50), nullable=False),
    )
    node = Table(
        "perf_node",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("parent_id", ForeignKey("perf_node.id"), index=True),
        Column("name", String(50), nullable=False),
    )
    return Tables(metadata, person, parent, child, node)
