"""Finding the plan of a SELECT that has run before, or one like it.

In: a SELECT of mapped classes, as the user built it.  Out: its plan, and the parameters whose values it runs with.
The quickest way that applies is taken:

1. this very statement has run before, twice: statements are immutable, and it is known by itself;
2. it has a *shape* (``core/shapes.py``), and one of that shape has run before;
3. one with the same Core cache key has run before.

Next on the way: ``load/execute.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import ref

from session.core import selects
from session.core.plan import PlanCache
from session.core.shapes import shape_of

__all__ = ["Found", "find_plan"]

KEPT = 1000
"""Plans that are kept for one dialect."""

ATTRIBUTE = "_session_known_plans"
"""Under this name a dialect carries the plans that are known for it."""

Prepare = Callable[..., Any]


Found = tuple[Any, Sequence[Any] | None, Mapping[str, Any] | None]
"""The plan of a statement, and what the statement itself adds to it: its parameters in the order of its Core cache key
(``None`` without such a key), and the values that ``statement.params()`` has set, if any."""


class _ByShape:
    """The plan of a shape.

    :param plan: the plan.
    :param order: where the parameters of Core's key stand among those of the shape; ``None``: in the same order.
    :param statement: the statement that ran with it last.
    """

    __slots__ = ("latest", "order", "plan")

    def __init__(self, plan: Any, order: tuple[int, ...] | None, statement: Any) -> None:
        self.plan = plan
        self.order = order
        self.latest = ref(statement)


class _Remembered(ref[Any]):
    """A statement that is known by itself; forgotten with it."""

    __slots__ = ("address", "found")

    address: int
    found: Found


class KnownPlans:
    """The plans that are known for one dialect.

    :param dialect: the dialect.
    """

    __slots__ = ("_by_key", "_by_shape", "_dialect", "_forget", "by_statement")

    def __init__(self, dialect: Any) -> None:
        self._dialect = ref(dialect)
        self._by_key: Any = PlanCache(KEPT)
        self._by_shape: dict[Any, _ByShape] = {}
        by_statement: dict[int, _Remembered] = {}
        self.by_statement = by_statement

        def forget(reference: _Remembered) -> None:
            if by_statement.get(reference.address) is reference:
                del by_statement[reference.address]

        self._forget = forget

    def find(self, statement: Any, prepare: Prepare) -> Found:
        """Give the plan of a statement that is not known by itself.

        :param prepare: see :func:`find_plan`.
        """
        shape = shape_of(statement)
        if shape is None:
            again = selects.has_cache_key(statement)
            found = self.find_by_key(statement, None, prepare)
            if again:
                self._remember(statement, found)
            return found
        tokens, parameters = shape
        known = self._by_shape.get(tokens)
        if known is None:
            found = self.find_by_key(statement, None, prepare)
            self._keep_shape(tokens, parameters, statement, found)
            return found
        order = known.order
        found = (known.plan, parameters if order is None else [parameters[index] for index in order], None)
        if known.latest() is statement:
            self._remember(statement, found)
        else:
            known.latest = ref(statement)
        return found

    def find_by_key(self, statement: Any, schema_translate_map: Any, prepare: Prepare) -> Found:
        """Give the plan of a statement, by its Core cache key."""
        cache_key = selects.cache_key_of(statement)
        if cache_key is None:
            plan = prepare(statement, self._dialect(), schema_translate_map=schema_translate_map)
            return (plan, None, selects.collected_params(plan.plan.compiled))
        key = cache_key.key
        if schema_translate_map:
            key = (key, tuple(sorted(schema_translate_map.items(), key=str)))
        plan = self._by_key.get(key)
        if plan is None:
            plan = self._by_key[key] = prepare(
                statement, self._dialect(), cache_key=cache_key, schema_translate_map=schema_translate_map
            )
        return (plan, cache_key.bindparams, cache_key.params)

    def _remember(self, statement: Any, found: Found) -> None:
        if found[1] is None:
            return  # without a key it is translated each time
        remembered = _Remembered(statement, self._forget)
        remembered.address = id(statement)
        remembered.found = found
        self.by_statement[remembered.address] = remembered

    def _keep_shape(self, tokens: Any, parameters: Sequence[Any], statement: Any, found: Found) -> None:
        plan, keyed, _ = found
        if keyed is None:
            return
        places = {id(parameter): place for place, parameter in enumerate(parameters)}
        if len(keyed) != len(parameters) or any(id(each) not in places for each in keyed):
            return
        order = tuple(places[id(each)] for each in keyed)
        if len(self._by_shape) >= KEPT:
            self._by_shape.clear()
        in_order = order == tuple(range(len(order)))
        self._by_shape[tokens] = _ByShape(plan, None if in_order else order, statement)


def find_plan(statement: Any, dialect: Any, schema_translate_map: Any, prepare: Prepare) -> Found:
    """Give the plan of a SELECT: a known one, or a new one.

    :param statement: a SELECT of mapped classes.
    :param dialect: of the database.
    :param schema_translate_map: the ``schema_translate_map`` in force.
    :param prepare: ``prepare(statement, dialect, cache_key=None, schema_translate_map=None)`` makes a new plan.
    """
    known = dialect.__dict__.get(ATTRIBUTE)
    if known is None:
        known = dialect.__dict__.setdefault(ATTRIBUTE, KnownPlans(dialect))
    if schema_translate_map:
        return known.find_by_key(statement, schema_translate_map, prepare)  # type: ignore[no-any-return]
    remembered = known.by_statement.get(id(statement))
    if remembered is not None and remembered() is statement:
        return remembered.found  # type: ignore[no-any-return]
    return known.find(statement, prepare)  # type: ignore[no-any-return]
