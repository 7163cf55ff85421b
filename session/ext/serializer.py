"""Pickles of statements and queries, in which mapped classes, tables and Sessions are only named.

Where such a pickle is loaded, the names mean the classes and tables that are there. The API is that of
``sqlalchemy.ext.serializer``, for the mappers of this package::

    from session.ext.serializer import dumps, loads

    data = dumps(select(User).where(User.name == "ed"))
    users = session.scalars(loads(data, Base.metadata)).all()

It is for statements. Objects, and ``MetaData`` as a whole, go through ``pickle`` as they are. Load only what you trust,
as with ``pickle``.
"""

from __future__ import annotations

import pickle
from io import BytesIO
from typing import Any

from sqlalchemy import Column, Engine, MetaData, Table
from sqlalchemy.exc import InvalidRequestError

from session.factory import scoped_session
from session.instrument.attributes import QueryableAttribute
from session.mapping.base import MapperProperty
from session.mapping.inspect import class_mapper
from session.mapping.mapper import Mapper
from session.sessions import Session

__all__ = ["Deserializer", "Serializer", "dumps", "loads"]


class Serializer(pickle.Pickler):
    """A pickler that writes names in the place of what a statement refers to."""

    def persistent_id(self, obj: Any) -> Any:
        """Name an object, ``None`` for one that is written out."""
        if isinstance(obj, Mapper):
            return "mapper", obj.class_
        if isinstance(obj, MapperProperty) and obj.parent is not None:
            return "property", obj.parent.class_, obj.key
        if isinstance(obj, QueryableAttribute) and obj.parent is obj.parent.mapper:
            return "attribute", obj.parent.class_, obj.key
        if type(obj) is Table:
            return "table", obj.key
        if type(obj) is Column and type(obj.table) is Table:
            return "column", obj.table.key, obj.key
        if isinstance(obj, (Session, scoped_session)):
            return ("session",)
        return ("engine",) if isinstance(obj, Engine) else None


class Deserializer(pickle.Unpickler):
    """An unpickler that finds what a pickle names.

    :param file: the pickle.
    :param metadata: the tables.
    :param scoped_session: what gives the Session of a ``Query``.
    :param engine: what an engine in the pickle is here.
    """

    def __init__(
        self, file: Any, metadata: MetaData | None = None, scoped_session: Any = None, engine: Any = None
    ) -> None:
        super().__init__(file)
        self.metadata = metadata
        self.scoped_session = scoped_session
        self.engine = engine

    def persistent_load(self, pid: Any) -> Any:
        """Find what a name means.

        :raises InvalidRequestError: nothing is known by it here.
        """
        kind, *names = pid
        if kind == "mapper":
            return class_mapper(*names)
        if kind == "property":
            return class_mapper(names[0]).get_property(names[1])
        if kind == "attribute":
            return class_mapper(names[0]).class_manager[names[1]]
        if kind in ("table", "column"):
            return self._in_table(*names)
        if kind == "session":
            return None if self.scoped_session is None else self.scoped_session()
        return self._engine()

    def _in_table(self, key: str, column: str | None = None) -> Any:
        table = None if self.metadata is None else self.metadata.tables.get(key)
        if table is None or (column is not None and column not in table.c):
            raise InvalidRequestError(
                f"The pickle refers to the table {key!r}{'' if column is None else f', column {column!r}'}, which the "
                f"metadata does not have; give loads() that of the tables"
            )
        return table if column is None else table.c[column]

    def _engine(self) -> Any:
        if self.engine is not None:
            return self.engine
        return None if self.scoped_session is None else self.scoped_session().bind


def dumps(obj: Any, protocol: int = pickle.HIGHEST_PROTOCOL) -> bytes:
    """Pickle a statement, a query, or a part of one.

    :param protocol: of the pickle.
    """
    file = BytesIO()
    Serializer(file, protocol).dump(obj)
    return file.getvalue()


def loads(data: bytes, metadata: MetaData | None = None, scoped_session: Any = None, engine: Any = None) -> Any:
    """Load what :func:`dumps` has made.

    :param metadata: the tables of the statement.
    :param scoped_session: gives the Session of a ``Query``: a ``scoped_session``, or a ``sessionmaker``.
    :param engine: what an engine in the pickle is here.
    :raises sqlalchemy.exc.InvalidRequestError: a table is not known here.
    """
    return Deserializer(BytesIO(data), metadata, scoped_session, engine).load()
