"""The order of a flush: mapper by mapper, and object by object only where mappers depend on each other in a circle.

In come the steps (``Task``) and the pairs of which comes before which; out go batches: a task and the states
it is for.  Inside a circle, objects are ordered by *generation*: all that depend on earlier ones only
form one batch, so a tree takes as many batches as it is deep.  All of it is linear in objects and dependencies.
A ``Schedule`` is what can be known without the objects; small flushes of one kind come again and again, so it is kept.
Next on the way: ``unitofwork.py`` again, which executes the batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy.exc import CircularDependencyError

from session._accel import topological
from session.flush.dependency import Dependency, ObjectSteps, Task

__all__ = ["Batch", "Schedule", "batches", "rank", "schedule"]

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


class Schedule(NamedTuple):
    """The steps of a flush in order.

    :ivar tasks: the steps, each after those that it depends on; by rank alone where some depend on each other.
    :ivar edges: which step comes before which.
    :ivar cyclic: the steps that depend on each other in a circle.
    """

    tasks: list[Task]
    edges: list[tuple[Task, Task]]
    cyclic: set[Task]


def schedule(tasks: Iterable[Task], edges: list[tuple[Task, Task]]) -> Schedule:
    """Put the steps of a flush in order, as far as that can be done without looking at objects.

    :param tasks: all steps.
    :param edges: which step comes before which.
    """
    nodes = sorted(tasks, key=rank)
    cyclic = topological.find_cycles(edges, nodes)
    return Schedule(nodes if cyclic else topological.sort(edges, nodes), edges, cyclic)


def batches(uow: Any, order: Schedule) -> Iterator[Batch]:
    """Put the work of a flush in order.

    :param uow: gives the states of each task, and the dependencies.
    :param order: all steps.
    :return: batches in order; a step may come in several.
    :raises sqlalchemy.exc.CircularDependencyError: if rows depend on each other in a circle.
    """
    if order.cyclic:
        yield from _by_object(uow, order)
        return
    for task in order.tasks:
        states = uow.states_of(task)
        if states:
            yield task, states


def _by_object(uow: Any, order: Schedule) -> Iterator[Batch]:
    """Order with the tasks of a circle split into one step for each object."""
    nodes, edges, cyclic = order
    steps = ObjectSteps()
    graph = steps.graph
    whole: dict[Task, int] = {}
    parts: dict[Task, range] = {}
    for task in nodes:
        if task not in cyclic:
            whole[task] = graph.add(task)
            continue
        first = len(graph.names)
        graph.add_each(task, uow.states_of(task), steps.numbers_of(task))
        parts[task] = range(first, len(graph.names))

    gates: set[Any] = set()
    for before, after in edges:
        if before not in cyclic or after not in cyclic:
            for one in parts.get(before) or (whole.get(before),):
                for other in parts.get(after) or (whole.get(after),):
                    graph.join(one, other)
        elif before.kind == "save" and after.kind == "delete" and before.subject is after.subject:
            if before.subject not in gates:
                gates.add(before.subject)
                gate = graph.add(None)
                for number in parts[before]:
                    graph.join(number, gate)
                for number in parts[after]:
                    graph.join(gate, number)

    for dependency in uow.dependencies_within(cyclic):
        steps.links.setdefault(dependency, {})
        dependency.order_objects(uow, steps, *uow.parents_of(dependency))

    yield from _generations(uow, graph, nodes)


def _generations(uow: Any, graph: Any, nodes: list[Task]) -> Iterator[Batch]:
    names = graph.names
    try:
        generations = topological.sort_as_subsets(graph.edges, range(len(names)))
    except CircularDependencyError as error:
        raise _circular(names, error) from None
    position = {task: number for number, task in enumerate(nodes)}
    for generation in generations:
        found: dict[Task, list[Any]] = {}
        present: Any = None
        members: list[Any] = []
        for number in generation:
            task, state = names[number]
            if task is None:
                continue
            if state is None:
                states = uow.states_of(task)
                if states:
                    found[task] = states
                continue
            if task is not present:
                present = task
                members = found.setdefault(task, [])
            members.append(state)
        for task in sorted(found, key=position.__getitem__):
            yield task, found[task]


def _circular(names: list[tuple[Any, Any]], error: CircularDependencyError) -> CircularDependencyError:
    """Say which objects depend on each other."""

    def named(number: int) -> Any:
        task, state = names[number]
        return task if state is None else state

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
