"""Topological sort: dependencies in, an order that honours them out.

In come nodes (any hashable objects) and edges, each a pair ``(before, after)``.
Out comes a list in which every ``before`` stands ahead of its ``after``, or the
same list cut into *generations*: all nodes of one generation depend only on
earlier ones, so they may be handled together.  Among the nodes of a generation
the order is that of the input, hence the result is the same on each run.

Everything here is linear in nodes plus edges, and nothing recurses.  An edge
with an end that is not among the nodes says nothing about them and is ignored;
a node or an edge that is given twice counts once.

The unit of work (``session.flush``) orders mappers and, inside a cycle of
mappers, single objects with it.  ``cext/topological.pyx`` is the compiled twin.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeVar

from sqlalchemy.exc import CircularDependencyError

__all__ = ["find_cycles", "sort", "sort_as_subsets"]

_Node = TypeVar("_Node", bound=Hashable)

#: So many nodes of a cycle are named in the message; all are in ``.cycles``.
_NAMED_IN_MESSAGE = 10


def sort(edges: Iterable[tuple[_Node, _Node]], nodes: Iterable[_Node]) -> list[_Node]:
    """Put ``nodes`` into an order in which no edge points backward.

    :param edges: pairs ``(before, after)``.
    :param nodes: the hashable objects to order.
    :return: each node once, generation by generation, input order within each.
    :raises sqlalchemy.exc.CircularDependencyError: when there is no such order;
        ``.cycles`` is the set of the nodes that are on a cycle, ``.edges`` the
        list of the edges that make up the cycles.

    >>> sort([("parent", "child")], ["child", "other", "parent"])
    ['other', 'parent', 'child']
    """
    return [node for generation in sort_as_subsets(edges, nodes) for node in generation]


def sort_as_subsets(edges: Iterable[tuple[_Node, _Node]], nodes: Iterable[_Node]) -> list[list[_Node]]:
    """Cut ``nodes`` into generations, each depending on earlier ones only.

    :param edges: pairs ``(before, after)``.
    :param nodes: the hashable objects to order.
    :return: non-empty lists; a node stands in the earliest one that it can.
    :raises sqlalchemy.exc.CircularDependencyError: as :func:`sort` does.

    >>> sort_as_subsets([("a", "b"), ("b", "c")], ["c", "b", "a", "z"])
    [['a', 'z'], ['b'], ['c']]
    """
    order, successors = _graph(edges, nodes)
    waiting_for = [0] * len(order)
    for targets in successors:
        for target in targets:
            waiting_for[target] += 1

    level = [0] * len(order)
    ready = [position for position, count in enumerate(waiting_for) if not count]
    for position in ready:  # grows while it is walked
        for target in successors[position]:
            waiting_for[target] -= 1
            if not waiting_for[target]:
                level[target] = level[position] + 1
                ready.append(target)

    if len(ready) < len(order):
        raise _circular(order, successors)
    generations: list[list[_Node]] = [[] for _ in range(level[ready[-1]] + 1)] if ready else []
    for position, node in enumerate(order):
        generations[level[position]].append(node)
    return generations


def find_cycles(edges: Iterable[tuple[_Node, _Node]], nodes: Iterable[_Node]) -> set[_Node]:
    """Find the nodes that cannot be ordered among themselves.

    :param edges: pairs ``(before, after)``.
    :param nodes: the hashable objects to look at.
    :return: all nodes from which a way along the edges leads back to
        themselves; empty when :func:`sort` would succeed.

    >>> sorted(find_cycles([(1, 2), (2, 1), (2, 3)], [1, 2, 3]))
    [1, 2]
    """
    order, successors = _graph(edges, nodes)
    return {order[position] for position, number in enumerate(_cyclic_components(successors)) if number >= 0}


def _graph(edges: Iterable[tuple[_Node, _Node]], nodes: Iterable[_Node]) -> tuple[list[_Node], list[list[int]]]:
    """The distinct nodes in input order, and for each the positions it points to."""
    order = list(dict.fromkeys(nodes))
    position_of = {node: position for position, node in enumerate(order)}
    successors: list[list[int]] = [[] for _ in order]
    for before, after in edges:
        source = position_of.get(before)
        target = position_of.get(after)
        if source is not None and target is not None:
            successors[source].append(target)
    return order, successors


def _cyclic_components(successors: list[list[int]]) -> list[int]:
    """For each position the number of its cyclic component, -1 where it has none.

    Tarjan's strongly connected components with a stack of our own: a position's
    ``low`` is the earliest one on the stack that can be reached from it.
    """
    size = len(successors)
    component = [-1] * size
    visited_as = [-1] * size
    low = [0] * size
    open_positions: list[int] = []
    is_open = [False] * size
    next_edge = [0] * size
    visits = components = 0
    for root in range(size):
        if visited_as[root] >= 0:
            continue
        path = [root]
        while path:
            position = path[-1]
            if visited_as[position] < 0:
                visited_as[position] = low[position] = visits
                visits += 1
                open_positions.append(position)
                is_open[position] = True
            if next_edge[position] < len(successors[position]):
                target = successors[position][next_edge[position]]
                next_edge[position] += 1
                if visited_as[target] < 0:
                    path.append(target)
                elif is_open[target] and visited_as[target] < low[position]:
                    low[position] = visited_as[target]
                continue

            path.pop()
            if path and low[position] < low[path[-1]]:
                low[path[-1]] = low[position]
            if low[position] != visited_as[position]:
                continue
            is_cyclic = open_positions[-1] != position or position in successors[position]
            while True:
                member = open_positions.pop()
                is_open[member] = False
                if is_cyclic:
                    component[member] = components
                if member == position:
                    break
            components += is_cyclic
    return component


def _circular(order: list[_Node], successors: list[list[int]]) -> CircularDependencyError:
    """The error for a graph that has a cycle, with the cycles in it."""
    component = _cyclic_components(successors)
    cyclic = [node for position, node in enumerate(order) if component[position] >= 0]
    edges = [
        (order[source], order[target])
        for source, targets in enumerate(successors)
        if component[source] >= 0
        for target in dict.fromkeys(targets)
        if component[target] == component[source]
    ]
    named = ", ".join([repr(node) for node in cyclic[:_NAMED_IN_MESSAGE]])
    if len(cyclic) > _NAMED_IN_MESSAGE:
        named += f" and {len(cyclic) - _NAMED_IN_MESSAGE} more"
    message = f"Cannot put these in order, each has to come before another and after it: {named}"
    return CircularDependencyError(message, set(cyclic), edges, msg=message)
