"""Bundles: several columns that come out of a statement as one value.

``select(Bundle("b", User.id, User.name))`` gives rows whose one value is a named tuple; a subclass
may make anything else of them.  Composite attributes are selected in the same way.
Next on the way: ``load/entities.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.engine import Row, result_tuple
from sqlalchemy.sql.elements import ClauseList

from session.core.clauses import known_as
from session.core.inspection import inspects_itself
from session.core.sql import HasCacheKey, coercions, propagate, roles

__all__ = ["Bundle", "DictBundle"]


@inspects_itself
class Bundle(HasCacheKey):
    """Groups columns under one name in the rows of a SELECT.

    :param name: the name of the group in the row.
    :param exprs: columns, SQL expressions or other bundles.
    :param single_entity: a row that consists of this bundle alone is given as the bundle's value itself.
    """

    is_clause_element = False
    is_selectable = False
    is_aliased_class = False
    is_mapper = False
    is_instance = False
    is_attribute = False
    is_property = False
    is_bundle = True
    _is_internal_proxy = False
    single_entity = False
    proxy_key: str | None = None
    inherit_cache = True

    def __init__(self, name: str, *exprs: Any, single_entity: bool = False) -> None:
        self.name = self._label = name
        if single_entity:
            self.single_entity = True
        self.exprs = [
            expr if isinstance(expr, Bundle) else coercions.expect(roles.ColumnsClauseRole, expr) for expr in exprs
        ]
        self.c = self.columns = _Columns(self.exprs)

    @property
    def entity(self) -> Any:
        """The mapped class or alias of the first expression that has one."""
        for each in self.exprs:
            found = each.entity if isinstance(each, Bundle) else each._annotations.get("parententity")
            if found is not None:
                return found
        return None

    @property
    def entity_namespace(self) -> Any:
        return self.c

    def __clause_element__(self) -> Any:
        notes: dict[str, Any] = {"bundle": self}
        entity = self.entity
        flat: list[Any] = []
        for each in self.exprs:
            flat.append(each.__clause_element__() if isinstance(each, Bundle) else each)
        element = ClauseList(*flat, _literal_as_text_role=roles.ColumnsClauseRole, group=False)
        if entity is not None:
            notes.update(entity_namespace=entity)
        return propagate(element._annotate(notes), entity)

    @property
    def clauses(self) -> Any:
        """The columns as a list of SQL expressions."""
        return self.__clause_element__().clauses

    def _gen_cache_key(self, anon_map: Any, bindparams: list[Any]) -> tuple[Any, ...]:
        parts = tuple(each._gen_cache_key(anon_map, bindparams) for each in self.exprs)
        return (type(self), self.name, self.single_entity, parts)

    def _clone(self, **keywords: Any) -> Bundle:
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def label(self, name: str) -> Bundle:
        """Give the same bundle under another name."""
        made = self._clone()
        made.name = made._label = name
        return made

    def over(self, translate: Callable[[Any], Any]) -> Bundle:
        """Give the same bundle of other expressions.

        :param translate: makes the other expression of each.
        """
        made = self._clone()
        made.exprs = []
        for each in self.exprs:
            inner = each if isinstance(each, Bundle) else each._annotations.get("bundle")
            made.exprs.append(known_as(translate(each), _name_of(each)) if inner is None else inner.over(translate))
        made.c = made.columns = _Columns(made.exprs)
        return made

    def create_row_processor(
        self, query: Any, procs: Sequence[Callable[[Any], Any]], labels: Sequence[str | None]
    ) -> Callable[[Any], Any]:
        """Give the function that makes the bundle's value of a row; override it for a value of your own.

        :param query: the statement.
        :param procs: one function per expression, each of which takes its value from the row.
        :param labels: the names of the expressions.
        """
        make = result_tuple(labels)  # type: ignore[arg-type]

        def named_tuple(row: Any) -> Row[Any]:
            return make([proc(row) for proc in procs])

        return named_tuple


def _name_of(expr: Any) -> str | None:
    return expr.name if isinstance(expr, Bundle) else getattr(expr, "_proxy_key", None)


class DictBundle(Bundle):
    """A bundle whose value is a dictionary, by the names of its columns."""

    inherit_cache = True

    def create_row_processor(
        self, query: Any, procs: Sequence[Callable[[Any], Any]], labels: Sequence[str | None]
    ) -> Callable[[Any], Any]:
        """Give the function that makes a dictionary of a row."""

        def dictionary(row: Any) -> dict[str | None, Any]:
            return {label: proc(row) for label, proc in zip(labels, procs, strict=True)}

        return dictionary


class _Columns:
    """The expressions of a bundle by name, as attributes and as items."""

    def __init__(self, exprs: Sequence[Any]) -> None:
        self._by_name = {_name_of(each): each for each in exprs}

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_by_name"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, name: str) -> Any:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Any:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def keys(self) -> list[Any]:
        return list(self._by_name)
