"""Declarative classes whose mapping waits for something: concrete hierarchies, and tables that are reflected later.

:class:`ConcreteBase` and :class:`AbstractConcreteBase` wait for the subclasses, whose tables they read together;
:class:`DeferredReflection` waits for a database that knows the columns.  The API is that of
``sqlalchemy.ext.declarative``, for the mappers of this package::

    from session.ext.declarative import DeferredReflection

    class Reflected(DeferredReflection, Base):
        __abstract__ = True

    class User(Reflected):
        __tablename__ = "user"

    Reflected.prepare(engine)
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.util import warn

from session.constants import WAITING
from session.mapping.body import metadata_of
from session.mapping.concrete import inherit, read_from, union_of
from session.mapping.declarative import as_declarative as as_declarative
from session.mapping.declarative import declarative_base as declarative_base
from session.mapping.declarative import declared_attr as declared_attr
from session.mapping.declarative import has_inherited_table as has_inherited_table
from session.mapping.declarative_meta import DeclarativeMeta as DeclarativeMeta
from session.mapping.inspect import mapper_or_none
from session.mapping.mapper import Mapper
from session.mapping.scan import ClassScan
from session.mapping.synonym import synonym_for as synonym_for
from session.mapping.waiting import MappedLater, map_classes, waiting_below

__all__ = [
    "AbstractConcreteBase",
    "ConcreteBase",
    "DeclarativeMeta",
    "DeferredReflection",
    "as_declarative",
    "declarative_base",
    "declared_attr",
    "has_inherited_table",
    "synonym_for",
]

_ROOT = "_session_concrete_root_"
"""On a class the mark that it is, or will be, mapped to the union of its subclasses' tables."""


# -- concrete tables ---------------------------------------------------------------------------------


class ConcreteBase:
    """A mixin for the base of a hierarchy of concrete tables: SELECTs of it bring the objects of its subclasses, too.

    ::

        class Employee(ConcreteBase, Base):
            __tablename__ = "employee"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            __mapper_args__ = {"polymorphic_identity": "employee", "concrete": True}

        class Manager(Employee):
            __tablename__ = "manager"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            office: Mapped[str]
            __mapper_args__ = {"polymorphic_identity": "manager", "concrete": True}

    When the mappers are configured (at the first use of one), each class that has subclasses by then is read from a
    ``UNION ALL`` of its table and theirs (``polymorphic_union()``).

    :cvar _concrete_discriminator_name: the name of the column in which the union has each row's
        ``polymorphic_identity``; ``"type"`` unless it is set, to be changed where a table has a column of that name.
    :raises sqlalchemy.exc.InvalidRequestError: a table has a column of the discriminator's name.
    :raises sqlalchemy.exc.ArgumentError: a class has no ``polymorphic_identity``.
    """

    _concrete_discriminator_name: Any = None

    @classmethod
    def __declare_first__(cls) -> None:
        """Make the union, once; called when the mappers are about to be configured."""
        mapper: Any = mapper_or_none(cls)
        if mapper is None or mapper.with_polymorphic or not mapper.heirs:
            return
        name = _discriminator_of(cls)
        union = union_of(mapper.self_and_descendants, name)
        read_from(mapper, union, union.c[name])


class AbstractConcreteBase(ConcreteBase):
    """A mixin for the base of a hierarchy of concrete tables that has no table itself.

    ::

        class Employee(AbstractConcreteBase, Base):
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]

        class Manager(Employee):
            __tablename__ = "manager"
            office: Mapped[str]
            __mapper_args__ = {"polymorphic_identity": "manager", "concrete": True}

        Base.registry.configure()

    What the base declares, its subclasses get as from a mixin. The base is mapped when the mappers are configured,
    after all its subclasses, to the ``UNION ALL`` of their tables; objects of its very class there are none. Call
    ``registry.configure()`` where a SELECT of the base is to be the first use of a mapped class. Subclasses with
    tables of their own that come later are not in it, with a warning.

    :cvar strict_attrs: if it is true, the base has only the attributes that it declares, its primary key and the
        discriminator; else it has those of all its subclasses.
    :cvar _concrete_discriminator_name: as with :class:`ConcreteBase`.
    """

    strict_attrs: Any = False
    _session_mapped_by_ = "registry.configure(), once its subclasses are there"

    def __init_subclass__(cls, **keywords: Any) -> None:
        above = next((base for base in cls.__mro__[1:] if _ROOT in base.__dict__), None)
        if "__abstract__" not in cls.__dict__:
            if above is None and hasattr(cls, "registry"):
                _wait_for_subclasses(cls)
            elif above is not None and WAITING not in above.__dict__:
                _warn_of_latecomer(cls, above)
        super().__init_subclass__(**keywords)

    @classmethod
    def __declare_first__(cls) -> None:
        """Map the base, once; called when the mappers are about to be configured."""
        if WAITING not in cls.__dict__:
            return
        heirs = _mapped_below(cls)
        if not heirs:
            return
        name = _discriminator_of(cls)
        union = union_of([mapper for heir in heirs for mapper in heir.self_and_descendants], name)
        type.__delattr__(cls, "__abstract__")
        type.__delattr__(cls, WAITING)
        scan = ClassScan(cls.registry, cls, None)  # type: ignore[attr-defined]
        mapper = scan.map_to(
            union,
            only_declared=cls.strict_attrs,
            polymorphic_on=union.c[name],
            polymorphic_abstract=True,
            with_polymorphic=("*", union),
        )
        inherit(mapper, heirs)


def _discriminator_of(cls: Any) -> str:
    return cls._concrete_discriminator_name or "type"


def _wait_for_subclasses(cls: Any) -> None:
    """Have a class map itself when the mappers of its registry are configured, and not before."""
    type.__setattr__(cls, "__abstract__", True)
    type.__setattr__(cls, WAITING, None)
    type.__setattr__(cls, _ROOT, True)
    held = weakref.ref(cls)

    def declare_first(registry: Any) -> None:
        target = held()
        if target is not None and WAITING in target.__dict__:
            target.__declare_first__()

    event.listen(cls.registry, "before_configured", declare_first)


def _warn_of_latecomer(cls: type[Any], base: type[Any]) -> None:
    if any(name in cls.__dict__ for name in ("__tablename__", "__table__")):
        warn(
            f"Class {cls.__name__} comes too late for SELECTs of {base.__name__}, which has been mapped together with "
            f"the subclasses that were there at that time; define them all before the mappers are configured"
        )


def _mapped_below(cls: type[Any]) -> list[Mapper[Any]]:
    """Return the mappers of the nearest mapped classes below one, level by level."""
    found: list[Mapper[Any]] = []
    todo = cls.__subclasses__()
    for one in todo:  # grows meanwhile
        mapper = mapper_or_none(one)
        if mapper is None:
            todo += one.__subclasses__()
        elif mapper not in found:
            found.append(mapper)
    return found


# -- reflected tables ----------------------------------------------------------------------------------


class DeferredReflection(MappedLater):
    """A mixin for classes whose tables are reflected, and who are mapped, when there is a database: by :meth:`prepare`.

    ::

        class Reflected(DeferredReflection, Base):
            __abstract__ = True

        class User(Reflected):
            __tablename__ = "user"
            addresses: Mapped[list["Address"]] = relationship(back_populates="user")

        Reflected.prepare(engine)

    Columns that a class declares stand as they are; the database adds those that are missing. What a
    ``@declared_attr`` function gives for ``__mapper_args__`` is asked for afterwards, so it may refer to reflected
    columns. The mixin goes with the declarative base, with an abstract class (then :meth:`prepare` of each is for its
    own subclasses, and its own database) or with single classes.
    """

    _session_mapped_by_ = "the prepare() of its DeferredReflection base"

    @classmethod
    def prepare(cls, bind: Engine | Connection, **reflect_kw: Any) -> None:
        """Reflect the tables of all classes below this one that wait for it, then map these classes.

        Tables that a relationship names as ``secondary``, and that nobody has made, are reflected too.

        :param bind: the database.
        :param reflect_kw: further arguments of ``MetaData.reflect()``, such as ``views=True``.
        :raises sqlalchemy.exc.InvalidRequestError: the database has no table of that name. The classes go on waiting.
        SQL: what the dialect asks of the database's catalogue.
        """
        scans = waiting_below(cls)
        with _connected(bind) as connection:
            for (metadata, schema), names in _tables_of(scans).items():
                settings = {"only": names, "schema": schema, "extend_existing": True, "autoload_replace": False}
                metadata.reflect(connection, **{**settings, **reflect_kw})
        map_classes(scans)


@contextmanager
def _connected(bind: Any) -> Iterator[Connection]:
    if isinstance(bind, Connection):
        yield bind
    elif isinstance(bind, Engine):
        with bind.connect() as connection:
            yield connection
    else:
        raise ArgumentError(f"prepare() reflects tables from an Engine or a Connection, not from {bind!r}")


def _tables_of(scans: Iterable[ClassScan]) -> dict[tuple[MetaData, str | None], list[str]]:
    """Return the names of the tables of some classes, and of those between them, by metadata and schema."""
    found: dict[tuple[MetaData, str | None], list[str]] = defaultdict(list)
    for scan in scans:
        if isinstance(scan.table, Table):
            found[scan.table.metadata, scan.table.schema].append(scan.table.name)
        metadata = metadata_of(scan.cls) or scan.registry.metadata
        for prop in scan.properties.values():
            between = getattr(prop, "secondary_name", None)
            if between is not None and between.replace(".", "").isidentifier() and between not in metadata.tables:
                schema, _, name = between.rpartition(".")
                found[metadata, schema or metadata.schema].append(name)
    return found
