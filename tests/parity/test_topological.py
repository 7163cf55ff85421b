"""The topological sort, in both implementations."""

from __future__ import annotations

import itertools
import random
import sys
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import CircularDependencyError, SQLAlchemyError

from tests.conftest import Implementation

small_graphs = st.integers(0, 12).flatmap(
    lambda size: st.tuples(
        st.permutations(range(size)),
        st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13)), max_size=40),
    )
)


@pytest.fixture
def topological(implementation: Implementation) -> Any:
    return implementation.topological


def outcome(function: Any, *args: Any) -> Any:
    """What a call gives, or all that its error tells."""
    try:
        return function(*args)
    except CircularDependencyError as error:
        return str(error), error.cycles, error.edges


def reaches(edges: list[tuple[int, int]], nodes: list[int], start: int) -> set[int]:
    """The nodes on a way of at least one edge from ``start``."""
    seen: set[int] = set()
    todo = [start]
    while todo:
        at = todo.pop()
        for before, after in edges:
            if before == at and after in nodes and after not in seen:
                seen.add(after)
                todo.append(after)
    return seen


def test_nodes_without_edges_keep_their_order(topological: Any) -> None:
    assert topological.sort([], [3, 1, 2]) == [3, 1, 2]


def test_no_nodes_give_nothing(topological: Any) -> None:
    assert topological.sort([], []) == []
    assert topological.sort_as_subsets([(1, 2)], []) == []
    assert topological.find_cycles([(1, 1)], []) == set()


def test_ready_nodes_keep_the_order_of_the_input(topological: Any) -> None:
    edges = [("a", "y"), ("a", "x"), ("b", "w")]
    assert topological.sort(edges, ["x", "b", "y", "w", "a"]) == ["b", "a", "x", "y", "w"]


def test_a_generation_holds_all_that_can_go_together(topological: Any) -> None:
    edges = [(1, 2), (1, 3), (2, 4), (3, 4), (1, 4)]
    assert topological.sort_as_subsets(edges, [4, 3, 2, 1, 0]) == [[1, 0], [3, 2], [4]]


def test_a_node_or_an_edge_given_twice_counts_once(topological: Any) -> None:
    assert topological.sort([(2, 1), (2, 1)], [1, 2, 1, 2]) == [2, 1]
    with pytest.raises(CircularDependencyError) as caught:
        topological.sort([(1, 1), (1, 1)], [1, 1])
    assert caught.value.edges == [(1, 1)]


def test_an_edge_to_a_stranger_is_ignored(topological: Any) -> None:
    assert topological.sort([("stranger", 1), (2, "stranger"), (2, 1)], [1, 2]) == [2, 1]
    assert topological.find_cycles([(1, "stranger"), ("stranger", 1)], [1]) == set()


def test_edges_and_nodes_may_be_any_iterables(topological: Any) -> None:
    edges = iter([[2, 1], (3, 2), iter((4, 3))])
    assert topological.sort(edges, iter({1: 0, 2: 0, 3: 0, 4: 0})) == [4, 3, 2, 1]
    assert topological.sort_as_subsets({("a", "b"): None}, "ba") == [["a"], ["b"]]


def test_equal_nodes_are_one_and_the_first_is_given_back(topological: Any) -> None:
    first, second = (1, 2), tuple(map(int, "12"))
    assert first is not second
    ordered = topological.sort([(second, 0)], [0, first, second])
    assert ordered == [first, 0]
    assert ordered[0] is first


@pytest.mark.parametrize("name", ["sort", "sort_as_subsets"])
def test_a_circle_is_an_error_that_carries_it(topological: Any, name: str) -> None:
    edges = [("in", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "out"), ("x", "x"), ("c", "y"), ("y", "x")]
    with pytest.raises(CircularDependencyError) as caught:
        getattr(topological, name)(edges, ["out", "c", "b", "a", "x", "y", "in"])
    assert caught.value.cycles == {"a", "b", "c", "x"}
    assert caught.value.edges == [("c", "a"), ("b", "c"), ("a", "b"), ("x", "x")]
    assert str(caught.value).endswith("'c', 'b', 'a', 'x'")


def test_the_message_names_only_some_of_many(topological: Any) -> None:
    with pytest.raises(SQLAlchemyError, match=r"0, 1, 2, .*, 9 and 40 more$"):
        topological.sort([(i, (i + 1) % 50) for i in range(50)], range(50))


def test_what_lies_between_two_circles_is_on_none(topological: Any) -> None:
    edges = [(1, 2), (2, 1), (2, 3), (3, 4), (4, 5), (5, 4)]
    assert topological.find_cycles(edges, range(1, 6)) == {1, 2, 4, 5}
    with pytest.raises(CircularDependencyError) as caught:
        topological.sort(edges, range(1, 6))
    assert caught.value.edges == [(1, 2), (2, 1), (4, 5), (5, 4)]


@pytest.mark.parametrize("edge", [(), (1,), (1, 2, 3), [1, 2, 3]])
def test_an_edge_that_is_no_pair_is_refused(topological: Any, edge: Any) -> None:
    with pytest.raises(ValueError, match="unpack"):
        topological.sort([edge], [1, 2])


@pytest.mark.parametrize(("edges", "nodes"), [([1], [1]), (None, [1]), ([], None), ([([], 1)], [1]), ([], [[]])])
def test_what_cannot_be_read_is_a_type_error(topological: Any, edges: Any, nodes: Any) -> None:
    with pytest.raises(TypeError):
        topological.sort(edges, nodes)


class Nasty:
    """A node whose comparison and hash do as they are told."""

    def __init__(self, number: int, plan: dict[str, Any]) -> None:
        self.number = number
        self.plan = plan

    def __hash__(self) -> int:
        self.plan["hash"] = self.plan.get("hash", 0) + 1
        if self.plan["hash"] == self.plan.get("hash fails at"):
            raise RuntimeError("hash")
        return 7

    def __eq__(self, other: object) -> bool:
        self.plan["eq"] = self.plan.get("eq", 0) + 1
        if self.plan["eq"] == self.plan.get("eq fails at"):
            raise RuntimeError("eq")
        self.plan.get("on eq", lambda: None)()
        return isinstance(other, Nasty) and other.number == self.number

    def __repr__(self) -> str:
        if self.plan.get("repr fails"):
            raise RuntimeError("repr")
        return f"Nasty({self.number})"


@pytest.mark.parametrize("name", ["sort", "sort_as_subsets", "find_cycles"])
@pytest.mark.parametrize("method", ["hash", "eq"])
def test_an_error_in_a_node_comes_out_wherever_it_happens(topological: Any, name: str, method: str) -> None:
    for at in range(1, 100):
        plan: dict[str, Any] = {f"{method} fails at": at}
        nodes = [Nasty(number, plan) for number in range(4)]
        edges = [(Nasty(a, plan), Nasty(b, plan)) for a, b in [(3, 2), (2, 1), (1, 0)]]
        try:
            getattr(topological, name)(edges, nodes)
        except RuntimeError as error:
            assert str(error) == method
        else:
            assert plan[method] < at
            return
    pytest.fail("it called the method without an end")


def test_an_error_in_a_repr_comes_out(topological: Any) -> None:
    plan: dict[str, Any] = {"repr fails": True}
    node = Nasty(1, plan)
    with pytest.raises(RuntimeError, match="repr"):
        topological.sort([(node, node)], [node])


def test_input_that_changes_under_the_sort_does_no_harm(topological: Any) -> None:
    plan: dict[str, Any] = {}
    nodes = [Nasty(number, plan) for number in range(20)]
    edges: list[Any] = [[Nasty(a + 1, plan), Nasty(a, plan)] for a in range(19)]

    def meddle() -> None:
        edges.clear()
        nodes.clear()

    plan["on eq"] = meddle
    topological.sort(edges, nodes)


def test_an_iterator_that_fails_says_so(topological: Any) -> None:
    def failing() -> Any:
        yield 1, 2
        raise RuntimeError("edges")

    with pytest.raises(RuntimeError, match="edges"):
        topological.sort(failing(), [1, 2])


def test_nothing_recurses(topological: Any) -> None:
    size = 20 * sys.getrecursionlimit()
    chain = [(i + 1, i) for i in range(size)]
    assert topological.sort(chain, range(size + 1)) == list(range(size, -1, -1))
    assert len(topological.find_cycles([*chain, (0, size)], range(size + 1))) == size + 1


def test_nodes_are_not_kept_alive(topological: Any) -> None:
    nodes = [object() for _ in range(10)]
    edges = list(itertools.pairwise(nodes))
    before = [sys.getrefcount(node) for node in nodes] if hasattr(sys, "getrefcount") else None
    for _ in range(100):
        topological.sort(edges, nodes)
        topological.find_cycles(edges, nodes)
        with pytest.raises(CircularDependencyError):
            topological.sort_as_subsets([*edges, (nodes[-1], nodes[0])], nodes)
    if before is not None:
        assert [sys.getrefcount(node) for node in nodes] == before


def test_time_is_linear_even_where_generations_are_many(topological: Any) -> None:
    size = 100_000
    chain = [(i, i + 1) for i in range(size)]
    began = time.process_time()
    topological.sort(chain, range(size + 1))
    assert time.process_time() - began < 2  # levels times nodes would take hours


@given(small_graphs)
@settings(deadline=None, max_examples=300, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_the_order_honours_every_edge(implementation: Implementation, graph: Any) -> None:
    topological = implementation.topological
    nodes, edges = graph
    on_cycles = {node for node in nodes if node in reaches(edges, nodes, node)}
    assert topological.find_cycles(edges, nodes) == on_cycles
    try:
        generations = topological.sort_as_subsets(edges, nodes)
    except CircularDependencyError as error:
        assert error.cycles == on_cycles != set()
        assert all(a in on_cycles and b in on_cycles for a, b in error.edges)
        return
    assert not on_cycles
    level = {node: number for number, generation in enumerate(generations) for node in generation}
    assert sorted(level) == sorted(nodes)
    for node in nodes:
        before = [level[a] for a, b in edges if b == node and a in level]
        assert level[node] == max(before, default=-1) + 1
    for generation in generations:
        assert generation == [node for node in nodes if node in generation]
    assert topological.sort(edges, nodes) == [node for generation in generations for node in generation]


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs_come_out_alike(both: Any, seed: int) -> None:
    chance = random.Random(seed)
    size = chance.choice([1, 5, 50, 3000])
    nodes = [chance.choice([i, str(i), (i, "x"), float(i)]) for i in range(size)]
    chance.shuffle(nodes)
    edges = [(chance.choice(nodes), chance.choice(nodes)) for _ in range(int(size * chance.random() * 2))]
    if seed % 2:  # without cycles
        rank = {node: chance.random() for node in nodes}
        edges = [(a, b) if rank[a] < rank[b] else (b, a) for a, b in edges if a != b]
    compiled, pure = (implementation.topological for implementation in both)
    for name in ("sort", "sort_as_subsets", "find_cycles"):
        assert outcome(getattr(compiled, name), edges, nodes) == outcome(getattr(pure, name), edges, nodes)
