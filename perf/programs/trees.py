"""Programs that flush a table that refers to itself.

In: a world and a count. Out: the value to check, the same for every contender.
"""

from __future__ import annotations

import weakref
from typing import Any

from perf.job import Check, Job, Steps
from perf.world import HandWorld, Identities, Node, OrmWorld

QUADRATIC = {"sqlalchemy.orm": 4_000}
"""`sqlalchemy.orm` needs minutes for a longer chain: its time grows with the square of the length."""


def _check_nodes(nodes: list[Any]) -> Check:
    """Number of nodes, of different keys, and of parent keys that are right."""
    right = sum(node.parent_id == (node.parent.id if node.parent is not None else None) for node in nodes)
    return [len(nodes), len({node.id for node in nodes}), right]


def chain(world: OrmWorld, count: int) -> Steps:
    nodes: list[Any] = [world.Node(name="0")]
    for i in range(1, count):
        nodes.append(world.Node(name=str(i), parent=nodes[-1]))
    return (yield from _flush(world, nodes))


def tree(world: OrmWorld, count: int) -> Steps:
    nodes: list[Any] = [world.Node(name="0")]
    for i in range(1, count):
        nodes.append(world.Node(name=str(i), parent=nodes[(i - 1) // 2]))
    return (yield from _flush(world, nodes))


def _flush(world: OrmWorld, nodes: list[Any]) -> Steps:
    with world.session() as session:
        yield
        session.add_all(nodes)
        session.flush()
        yield
        check = _check_nodes(nodes)
        session.commit()
        return check


def chain_by_hand(world: HandWorld, count: int) -> Steps:
    nodes: list[Any] = [Node(name="0", parent=None)]
    for i in range(1, count):
        nodes.append(Node(name=str(i), parent=nodes[-1]))
    identities: Identities = {}
    yield
    for node in nodes:
        _insert_generation(world, [node], identities)
    yield
    world.connection.commit()
    return _check_nodes(nodes)


def tree_by_hand(world: HandWorld, count: int) -> Steps:
    nodes: list[Any] = [Node(name="0", parent=None)]
    for i in range(1, count):
        nodes.append(Node(name=str(i), parent=nodes[(i - 1) // 2]))
    identities: Identities = {}
    yield
    first, size = 0, 1
    while first < count:
        _insert_generation(world, nodes[first : first + size], identities)
        first, size = first + size, size * 2
    yield
    world.connection.commit()
    return _check_nodes(nodes)


def _insert_generation(world: HandWorld, nodes: list[Any], identities: Identities) -> None:
    """Insert nodes whose parents have their keys."""
    for node in nodes:
        node.parent_id = node.parent.id if node.parent is not None else None
    keys = world.insert("perf_node", ("parent_id", "name"), [(node.parent_id, node.name) for node in nodes])
    for node, key in zip(nodes, keys, strict=True):
        node.id = key
        identities[key] = weakref.ref(node)


JOBS = (
    Job("chain_2000", "flush a chain of 2,000", 2_000, chain, chain_by_hand),
    Job("chain_20000", "flush a chain of 20,000", 20_000, chain, chain_by_hand, at_most=QUADRATIC),
    Job("tree_20000", "flush a binary tree of 20,000", 20_000, tree, tree_by_hand),
)
