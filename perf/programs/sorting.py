"""Programs that sort a graph topologically, as a unit of work does; no database takes part.

In: a world and a count. Out: the value to check, the same for every contender.
"""

from __future__ import annotations

import random
from graphlib import TopologicalSorter

from perf.job import Check, Job, Steps
from perf.world import Edge, HandWorld, OrmWorld

EDGES_EACH = 2


def _random_graph(count: int) -> tuple[list[Edge], list[int]]:
    """`count` items in random order, and edges (earlier, later) between random ones of them, without a cycle."""
    chance = random.Random(20)
    ranked = list(range(count))
    chance.shuffle(ranked)
    edges = []
    for _ in range(count * EDGES_EACH):
        one, other = sorted(chance.sample(range(count), 2))
        edges.append((ranked[one], ranked[other]))
    items = list(range(count))
    chance.shuffle(items)
    return edges, items


def _chain(count: int) -> tuple[list[Edge], list[int]]:
    items = list(range(count))
    return [(item, item + 1) for item in items[:-1]], items[::-1]


def _check_order(order: list[int], edges: list[Edge]) -> Check:
    """Number of items, of different items, and of edges that are kept."""
    place = {item: index for index, item in enumerate(order)}
    kept = sum(place[earlier] < place[later] for earlier, later in edges)
    return [len(order), len(place), kept]


def sort_random(world: OrmWorld, count: int) -> Steps:
    return (yield from _sort(world, *_random_graph(count)))


def sort_chain(world: OrmWorld, count: int) -> Steps:
    return (yield from _sort(world, *_chain(count)))


def sort_random_by_hand(world: HandWorld, count: int) -> Steps:
    return (yield from _sort_by_hand(*_random_graph(count)))


def sort_chain_by_hand(world: HandWorld, count: int) -> Steps:
    return (yield from _sort_by_hand(*_chain(count)))


def _sort(world: OrmWorld, edges: list[Edge], items: list[int]) -> Steps:
    yield
    order = list(world.topological(edges, items))
    yield
    return _check_order(order, edges)


def _sort_by_hand(edges: list[Edge], items: list[int]) -> Steps:
    yield
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for item in items:
        sorter.add(item)
    for earlier, later in edges:
        sorter.add(later, earlier)
    order = list(sorter.static_order())
    yield
    return _check_order(order, edges)


JOBS = (
    Job("sort_random", "sort a random graph", 100_000, sort_random, sort_random_by_hand),
    Job("sort_chain", "sort a chain", 5_000, sort_chain, sort_chain_by_hand),
)
