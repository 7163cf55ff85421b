"""Which engine or connection a Session uses for what: its own bind, and binds per class, mapper or table.

What comes in: the mapper and the statement that want a connection.  What goes out: a Core ``Engine`` or
``Connection``, of which ``transaction.py`` makes a connection with a transaction begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, NoInspectionAvailable, UnboundExecutionError
from sqlalchemy.util import immutabledict

from session.core.selects import mapper_of
from session.core.sql import visitors
from session.exc import UnmappedClassError

__all__ = ["Binds"]


class Binds:
    """The binds of a Session, and how one is chosen."""

    bind: Engine | Connection | None
    _binds: immutabledict[Any, Any]
    _own_get_bind: bool
    connection_callable: Callable[..., Connection] | None = None
    """``connection_callable(mapper, instance)`` gives the connection to which a flush writes the row of an object,
    where it is not the same for all objects of a class; for sharding."""
    _connection_for_bind: Callable[..., Connection]

    @property
    def binds(self) -> Mapping[Any, Any]:
        """The binds by class and table; an immutable dictionary, which another one replaces at every change."""
        return self._binds

    def bind_mapper(self, mapper: Any, bind: Engine | Connection) -> None:
        """Use a bind for a mapped class and its tables, or for all classes derived from a base class.

        :param mapper: a mapper, a mapped class, or any class that mapped ones derive from.
        :param bind: an ``Engine`` or ``Connection``.
        :raises ArgumentError: ``mapper`` is none of these.
        """
        self._add_bind(mapper, bind)

    def bind_table(self, table: Any, bind: Engine | Connection) -> None:
        """Use a bind for a table, wherever it appears in a statement.

        :param table: a ``Table``, or another selectable that mappers map to.
        :param bind: an ``Engine`` or ``Connection``.
        """
        self._add_bind(table, bind)

    def _add_bind(self, key: Any, bind: Any) -> None:
        try:
            target = inspect(key)
        except NoInspectionAvailable:
            if not isinstance(key, type):
                raise _no_bind_key(key) from None
            self._binds = self._binds.union({key: bind})
            return
        if getattr(target, "is_mapper", False):
            keys = [target.class_, *target.tables, target.persist_selectable]
            self._binds = self._binds.union(dict.fromkeys(keys, bind))
        elif getattr(target, "is_selectable", False) and not getattr(target, "is_aliased_class", False):
            self._binds = self._binds.union({target: bind})
        elif isinstance(key, type):
            self._binds = self._binds.union({key: bind})
        else:
            raise _no_bind_key(key)

    def get_bind(
        self,
        mapper: Any = None,
        *,
        clause: Any = None,
        bind: Engine | Connection | None = None,
        **keywords: Any,
    ) -> Engine | Connection:
        """Choose the bind for a piece of work.  Override it for sharding, or to split reads from writes.

        In this order: ``bind``; what was given for the mapper's class or one of its bases; what was given
        for the entity or a table of ``clause``; the Session's own bind.

        :param mapper: mapper or mapped class that the work is about.
        :param clause: the statement, or a table.
        :param bind: used as it is.
        :param keywords: whatever else came with ``bind_arguments``; for use by overriding methods.
        :return: an ``Engine`` or a ``Connection``.
        :raises UnboundExecutionError: there is no bind for it.
        """
        if bind is not None:
            return bind
        if not self._binds and self.bind is not None:
            return self.bind
        target = None if mapper is None else _mapper_of(mapper)
        if self._binds:
            for key in _bind_keys(target, clause):
                found = self._binds.get(key)
                if found is not None:
                    return found  # type: ignore[no-any-return]
        if self.bind is not None:
            return self.bind
        raise UnboundExecutionError(_nothing_for(target, clause))

    def _connection_for_statement(self, statement: Any, bind_arguments: Mapping[str, Any] | None = None) -> Connection:
        """Give the connection that a statement runs on."""
        if not (bind_arguments or self._binds or self._own_get_bind) and self.bind is not None:
            return self._connection_for_bind(self.bind)
        return self._connection_for(mapper_of(statement), statement, bind_arguments=bind_arguments)

    def _connection_for(
        self,
        mapper: Any = None,
        clause: Any = None,
        state: Any = None,
        bind_arguments: Mapping[str, Any] | None = None,
    ) -> Connection:
        """Give the connection for work on a mapper or statement: what flush and loading ask for.

        :param state: of the one object that the work is about, whose connection the Session may choose.
        :param bind_arguments: what a user has sent along.  A mapper in there is for work that has none of its own.
        """
        if state is not None and self.connection_callable is not None:
            return self.connection_callable(mapper, state.obj())
        if not (bind_arguments or self._binds or self._own_get_bind) and self.bind is not None:
            return self._connection_for_bind(self.bind)
        if bind_arguments:
            arguments = dict(bind_arguments)
            bind = arguments.pop("bind", None)
            if mapper is not None:
                arguments["mapper"] = mapper
            if clause is not None:
                arguments.setdefault("clause", clause)
            if bind is None:
                bind = self.get_bind(**arguments)
        elif clause is None:
            bind = self.get_bind(mapper=mapper)
        elif mapper is None:
            bind = self.get_bind(clause=clause)
        else:
            bind = self.get_bind(mapper=mapper, clause=clause)
        return self._connection_for_bind(bind)


def _mapper_of(subject: Any) -> Any:
    try:
        found = inspect(subject)
    except NoInspectionAvailable as error:
        if isinstance(subject, type):
            raise UnmappedClassError(subject) from error
        raise
    if found is None or not hasattr(found, "mapper"):
        raise UnmappedClassError(subject)
    return found.mapper


def _bind_keys(mapper: Any, clause: Any) -> Iterator[Any]:
    """Everything under which a bind for this work may have been given, the most telling first."""
    if mapper is not None:
        yield from mapper.class_.__mro__
        if clause is None:
            clause = mapper.persist_selectable
    if clause is None:
        return
    subject = clause._propagate_attrs.get("plugin_subject")
    if subject is not None:
        yield from subject.mapper.class_.__mro__
    yield from visitors.iterate(clause)


def _nothing_for(mapper: Any, clause: Any) -> str:
    looked_for = []
    if mapper is not None:
        looked_for.append(f"the mapped class {mapper.class_.__name__}")
    if clause is not None:
        looked_for.append(f"a {type(clause).__name__} statement or table")
    subject = " and ".join(looked_for) or "work that names neither a class nor a table"
    return (
        f"This Session has no bind for {subject}: give it one as Session(bind=...), "
        "or one for the class or table as Session(binds={...})"
    )


def _no_bind_key(key: Any) -> ArgumentError:
    return ArgumentError(f"Binds go by class, mapper or table; {key!r} is none of these")
