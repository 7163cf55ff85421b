# cython: language_level=3, boundscheck=False, wraparound=False
# Lists are indexed only with positions that this module counted itself.
"""Topological sort, compiled: the twin of ``session/_py/topological.py``.

What goes in and out is described there, with examples.  Nodes are turned into
positions once; from then on only C arrays are touched, so no user code
(``__eq__``, ``__hash__``) can run while the graph is walked.
"""

from cpython.dict cimport PyDict_SetDefault
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from libc.string cimport memset

from sqlalchemy.exc import CircularDependencyError

cdef extern from "Python.h":
    PyObject *PyDict_GetItemWithError(object mapping, object key) except? NULL

__all__ = ["find_cycles", "sort", "sort_as_subsets"]

cdef Py_ssize_t _NAMED_IN_MESSAGE = 10


def sort(edges, nodes):
    """Put ``nodes`` into an order in which no edge points backward."""
    cdef _Graph graph = _Graph(edges, nodes)
    cdef Py_ssize_t generations = graph.find_levels()
    return graph.in_order(generations)


def sort_as_subsets(edges, nodes):
    """Cut ``nodes`` into generations, each depending on earlier ones only."""
    cdef _Graph graph = _Graph(edges, nodes)
    cdef Py_ssize_t generations = graph.find_levels()
    cdef list result = [[] for _ in range(generations)]
    cdef Py_ssize_t position
    for position in range(graph.size):
        (<list> result[graph.level[position]]).append(graph.order[position])
    return result


def find_cycles(edges, nodes):
    """Find the nodes that cannot be ordered among themselves."""
    cdef _Graph graph = _Graph(edges, nodes)
    cdef Py_ssize_t position
    cdef set result = set()
    graph.find_cyclic_components()
    for position in range(graph.size):
        if graph.level[position] >= 0:
            result.add(graph.order[position])
    return result


cdef Py_ssize_t *_array(Py_ssize_t length) except NULL:
    """Room for ``length`` numbers; never NULL, even for none."""
    cdef Py_ssize_t *array = <Py_ssize_t *> PyMem_Malloc(max(length, 1) * sizeof(Py_ssize_t))
    if array == NULL:
        raise MemoryError()
    return array


cdef class _Graph:
    """The distinct nodes in input order, and the positions that each points to.

    The targets of position ``p`` are ``target[first[p]:first[p + 1]]``.
    """

    cdef list order
    cdef Py_ssize_t size
    cdef Py_ssize_t edges
    cdef Py_ssize_t *pairs     # (source, target), as they came
    cdef Py_ssize_t *first     # size + 1
    cdef Py_ssize_t *target    # edges
    cdef Py_ssize_t *level     # size: the generation, or the cyclic component
    cdef Py_ssize_t *scratch   # size * 4 at most

    def __cinit__(self, edges, nodes):
        cdef dict position_of = self._number(nodes)
        self._read(edges, position_of)
        self._link()

    def __dealloc__(self):
        PyMem_Free(self.pairs)
        PyMem_Free(self.first)
        PyMem_Free(self.target)
        PyMem_Free(self.level)
        PyMem_Free(self.scratch)

    cdef dict _number(self, nodes):
        cdef dict position_of = {}
        cdef Py_ssize_t size = 0
        cdef object position
        self.order = []
        for node in nodes:
            position = size
            # One look-up a node: it answers another object where the node is known.
            if <object> PyDict_SetDefault(position_of, node, position) is position:
                self.order.append(node)
                size += 1
        self.size = size
        return position_of

    cdef int _read(self, edges, dict position_of) except -1:
        cdef Py_ssize_t room = 2 * self.size + 16
        cdef PyObject *source
        cdef PyObject *target
        cdef Py_ssize_t *grown
        self.pairs = _array(2 * room)
        for edge in edges:
            if type(edge) is tuple and len(<tuple> edge) == 2:
                before = (<tuple> edge)[0]
                after = (<tuple> edge)[1]
            else:
                before, after = edge
            source = PyDict_GetItemWithError(position_of, before)
            target = PyDict_GetItemWithError(position_of, after)
            if source == NULL or target == NULL:
                continue
            if self.edges == room:
                room *= 2
                grown = <Py_ssize_t *> PyMem_Realloc(self.pairs, 2 * room * sizeof(Py_ssize_t))
                if grown == NULL:
                    raise MemoryError()
                self.pairs = grown
            self.pairs[2 * self.edges] = <object> source
            self.pairs[2 * self.edges + 1] = <object> target
            self.edges += 1
        return 0

    cdef int _link(self) except -1:
        """Sort the pairs by source; pairs of one source stay as they came."""
        cdef Py_ssize_t number, position, source
        self.first = _array(self.size + 2)
        self.target = _array(self.edges)
        self.level = _array(self.size)
        # Counted two places on, summed, and moved down one while filling.
        memset(self.first, 0, (self.size + 2) * sizeof(Py_ssize_t))
        for number in range(self.edges):
            self.first[self.pairs[2 * number] + 2] += 1
        for position in range(2, self.size + 2):
            self.first[position] += self.first[position - 1]
        for number in range(self.edges):
            source = self.pairs[2 * number]
            self.target[self.first[source + 1]] = self.pairs[2 * number + 1]
            self.first[source + 1] += 1
        return 0

    cdef Py_ssize_t find_levels(self) except -1:
        """Write each node's generation to ``level``; return how many there are."""
        cdef Py_ssize_t head = 0, tail = 0, position, target, number
        cdef Py_ssize_t *waiting_for
        cdef Py_ssize_t *ready
        self.scratch = _array(2 * self.size)
        waiting_for = self.scratch
        ready = self.scratch + self.size
        memset(waiting_for, 0, self.size * sizeof(Py_ssize_t))
        for number in range(self.edges):
            waiting_for[self.target[number]] += 1
        for position in range(self.size):
            if waiting_for[position] == 0:
                self.level[position] = 0
                ready[tail] = position
                tail += 1
        while head < tail:
            position = ready[head]
            head += 1
            for number in range(self.first[position], self.first[position + 1]):
                target = self.target[number]
                waiting_for[target] -= 1
                if waiting_for[target] == 0:
                    self.level[target] = self.level[position] + 1
                    ready[tail] = target
                    tail += 1
        if tail < self.size:
            raise self.circular()
        return self.level[ready[tail - 1]] + 1 if tail else 0

    cdef list in_order(self, Py_ssize_t generations):
        """The nodes by level; those of one level as they came."""
        cdef Py_ssize_t position, slot, generation
        cdef Py_ssize_t *offset
        cdef Py_ssize_t *result = self.scratch + self.size  # no longer waited for
        if generations == 0:
            return []
        offset = self.scratch  # size places, and there are no more levels than nodes
        memset(offset, 0, generations * sizeof(Py_ssize_t))
        for position in range(self.size):
            if self.level[position] + 1 < generations:
                offset[self.level[position] + 1] += 1
        for generation in range(1, generations):
            offset[generation] += offset[generation - 1]
        for position in range(self.size):
            slot = offset[self.level[position]]
            offset[self.level[position]] += 1
            result[slot] = position
        return [self.order[result[slot]] for slot in range(self.size)]

    cdef int find_cyclic_components(self) except -1:
        """Write to ``level`` the number of a node's cyclic component, else -1."""
        cdef Py_ssize_t root, position, target, member, number
        cdef Py_ssize_t visits = 0, components = 0, depth, opened = 0
        cdef Py_ssize_t *visited_as
        cdef Py_ssize_t *low
        cdef Py_ssize_t *next_edge
        cdef Py_ssize_t *path
        cdef Py_ssize_t *open_positions
        cdef bint is_cyclic
        PyMem_Free(self.scratch)
        self.scratch = NULL
        self.scratch = _array(5 * self.size)
        visited_as = self.scratch              # -1: not yet, -2: closed
        low = self.scratch + self.size
        next_edge = self.scratch + 2 * self.size
        path = self.scratch + 3 * self.size
        open_positions = self.scratch + 4 * self.size
        for position in range(self.size):
            visited_as[position] = -1
            self.level[position] = -1
            next_edge[position] = self.first[position]
        for root in range(self.size):
            if visited_as[root] != -1:
                continue
            path[0] = root
            depth = 1
            while depth:
                position = path[depth - 1]
                if visited_as[position] == -1:
                    visited_as[position] = visits
                    low[position] = visits
                    visits += 1
                    open_positions[opened] = position
                    opened += 1
                if next_edge[position] < self.first[position + 1]:
                    target = self.target[next_edge[position]]
                    next_edge[position] += 1
                    if visited_as[target] == -1:
                        path[depth] = target
                        depth += 1
                    elif visited_as[target] >= 0 and visited_as[target] < low[position]:
                        low[position] = visited_as[target]
                    continue

                depth -= 1
                if depth and low[position] < low[path[depth - 1]]:
                    low[path[depth - 1]] = low[position]
                if low[position] != visited_as[position]:
                    continue
                is_cyclic = open_positions[opened - 1] != position
                if not is_cyclic:
                    for number in range(self.first[position], self.first[position + 1]):
                        if self.target[number] == position:
                            is_cyclic = True
                            break
                while True:
                    opened -= 1
                    member = open_positions[opened]
                    visited_as[member] = -2
                    if is_cyclic:
                        self.level[member] = components
                    if member == position:
                        break
                components += is_cyclic
        return 0

    cdef object circular(self):
        """The error for a graph that has a cycle, with the cycles in it."""
        cdef Py_ssize_t position, number, target
        cdef list cyclic = []
        cdef list edges = []
        cdef set seen
        self.find_cyclic_components()
        for position in range(self.size):
            if self.level[position] < 0:
                continue
            cyclic.append(self.order[position])
            seen = set()
            for number in range(self.first[position], self.first[position + 1]):
                target = self.target[number]
                if self.level[target] == self.level[position] and target not in seen:
                    seen.add(target)
                    edges.append((self.order[position], self.order[target]))
        named = ", ".join([repr(node) for node in cyclic[:_NAMED_IN_MESSAGE]])
        if len(cyclic) > _NAMED_IN_MESSAGE:
            named += f" and {len(cyclic) - _NAMED_IN_MESSAGE} more"
        message = f"Cannot put these in order, each has to come before another and after it: {named}"
        return CircularDependencyError(message, set(cyclic), edges, msg=message)
