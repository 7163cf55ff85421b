"""The order of a flush: mapper by mapper, and object by object only where mappers depend on each other in a circle.

In come the steps (``Task``) and the pairs of which comes before which; out go batches: a task and the states
it is for.  Inside a circle, objects are ordered by *generation*: all that depend on earlier ones only
form one batch, so a tree takes as many batches as it is deep.  All of it is linear in objects and dependencies.
Next on the way: ``unitofwork.py`` again, which executes the batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy.exc import CircularDependencyError

from session._accel import topological
from session.flush.dependency import Dependency, Task

__all__ = ["Batch", "batches", "rank"]

Batch = tuple[Task, list[Any]]

_KINDS = {"unlink": 0, "save": 1, "link": 2, "post_update": 3, "pre_update": 4, "delete": 5}


def rank(task: Task) -> tuple[int, str, str]:
    """Among steps that do not depend on each other: by kind, then by class and attribute name."""
    subject = task.subject
    if isinstance(subject, Dependency):
        cls, key = subject.parent.class_, subject.key
    else:
        cls, key = subject.class_, ""
    return _KINDS[task.kind], f"{cls.__module__}.{cls.__qualname__}", key


def batches(uow: Any, tasks: Iterable[Task], edges: list[tuple[Task, Task]]) -> Iterator[Batch]:
    """Put the work of a flush in order.

    :param uow: gives the states of each task, and the dependencies.
    :param tasks: all steps.
    :param edges: which step comes before which.
    :return: batches in order; a step may come in several.
    :raises sqlalchemy.exc.CircularDependencyError: if rows depend on each other in a circle.
    """
    nodes = sorted(tasks, key=rank)
    cyclic = topological.find_cycles(edges, nodes)
    if not cyclic:
        for task in topological.sort(edges, nodes):
            states = uow.states_of(task)
            if states:
                yield task, states
        return
    yield from _by_object(uow, nodes, edges, cyclic)


class _Graph:
    """Steps of single objects and of whole tasks, as numbers."""

    def __init__(self) -> None:
        self.names: list[Any] = []
        self.number_of: dict[Any, int] = {}
        self.edges: list[tuple[int, int]] = []

    def add(self, name: Any) -> int:
        number = self.number_of[name] = len(self.names)
        self.names.append(name)
        return number

    def join(self, before: Any, after: Any) -> None:
        """Enter an edge, if both ends are steps of this flush."""
        first = self.number_of.get(before)
        second = self.number_of.get(after)
        if first is not None and second is not None:
            self.edges.append((first, second))


def _by_object(uow: Any, nodes: list[Task], edges: list[tuple[Task, Task]], cyclic: set[Task]) -> Iterator[Batch]:
    """Order with the tasks of a circle split into one step for each object."""
    graph = _Graph()
    steps: dict[Task, list[Any]] = {}
    for task in nodes:
        if task not in cyclic:
            graph.add(task)
            continue
        states = uow.states_of(task)
        if task.kind == "link":
            names: list[Any] = [("link", task.subject, state) for state in states]
        else:
            names = [(task.kind, state) for state in states]
        steps[task] = names
        for name in names:
            graph.add(name)

    for before, after in edges:
        if before not in cyclic:
            if after not in cyclic:
                graph.join(before, after)
            else:
                for name in steps[after]:
                    graph.join(before, name)
        elif after not in cyclic:
            for name in steps[before]:
                graph.join(name, after)
        elif before.kind == "save" and after.kind == "delete" and before.subject is after.subject:
            gate = ("gate", before.subject)
            if gate not in graph.number_of:
                graph.add(gate)
                for name in steps[before]:
                    graph.join(name, gate)
                for name in steps[after]:
                    graph.join(gate, name)

    for dependency in uow.dependencies_within(cyclic):
        for first, second in dependency.object_edges(uow, *uow.parents_of(dependency)):
            graph.join(first, second)

    yield from _generations(uow, graph, nodes)


def _generations(uow: Any, graph: _Graph, nodes: list[Task]) -> Iterator[Batch]:
    try:
        generations = topological.sort_as_subsets(graph.edges, range(len(graph.names)))
    except CircularDependencyError as error:
        raise _circular(graph, error) from None
    position = {task: number for number, task in enumerate(nodes)}
    task_of = {(task.kind, task.subject): task for task in nodes}
    for generation in generations:
        found: dict[Task, list[Any]] = {}
        for number in generation:
            name = graph.names[number]
            if isinstance(name, Task):
                states = uow.states_of(name)
                if states:
                    found[name] = states
            elif name[0] == "link":
                found.setdefault(task_of["link", name[1]], []).append(name[2])
            elif name[0] != "gate":
                state = name[1]
                task = task_of[name[0], state.manager.mapper.base_mapper]
                found.setdefault(task, []).append(state)
        if len(found) == 1:
            yield from found.items()
        else:
            for task in sorted(found, key=position.__getitem__):
                yield task, found[task]


def _circular(graph: _Graph, error: CircularDependencyError) -> CircularDependencyError:
    """Say which objects depend on each other."""

    def named(number: int) -> Any:
        name = graph.names[number]
        return name if isinstance(name, Task) else name[-1]

    states = list(dict.fromkeys(named(number) for number in sorted(error.cycles)))
    edges = [(named(first), named(second)) for first, second in error.edges]
    objects = ", ".join([f"{_label(state)}" for state in states[:10]])
    more = f" and {len(states) - 10} more" if len(states) > 10 else ""
    message = (
        f"The rows of these objects depend on each other in a circle, so none can be written first: {objects}{more}; "
        f"set post_update=True on one of the relationships between them"
    )
    return CircularDependencyError(message, set(states), edges, msg=message)


def _label(state: Any) -> str:
    if isinstance(state, Task):
        return f"{state.kind} of {state.subject}"
    return f"<{state.class_.__name__} at {id(state()):#x}>"
