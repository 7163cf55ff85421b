"""The rows that the programs write and read: made from numbers, so that every contender gets the same ones.

In: how many. Out: lists of column values, or of rows with their keys.
"""

from __future__ import annotations

from typing import Any

CHILDREN = 5
"""Children of each parent."""

Row = dict[str, Any]


def people_values(count: int) -> list[Row]:
    """The four values of `count` people, without keys."""
    return [
        {"name": f"name {i}", "email": f"person{i}@example.org", "age": i % 90, "city": f"city {i % 100}"}
        for i in range(count)
    ]


def people_rows(count: int) -> list[Row]:
    """`count` people with keys from 1 upward."""
    return [{"id": key, **values} for key, values in enumerate(people_values(count), start=1)]


def parent_rows(count: int) -> list[Row]:
    """`count` parents with keys from 1 upward."""
    return [{"id": key, "name": f"parent {key}"} for key in range(1, count + 1)]


def child_rows(parents: int, children: int = CHILDREN) -> list[Row]:
    """`children` children for each of the parents 1..`parents`, with keys from 1 upward."""
    return [
        {"id": key + 1, "parent_id": key // children + 1, "name": f"child {key + 1}"}
        for key in range(parents * children)
    ]
