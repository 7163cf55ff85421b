"""Classes and relationships made from tables: those of a database, or of any ``MetaData``.

:meth:`AutomapBase.prepare` makes a class for each table that has a primary key and no class yet, a relationship with
its reverse for each foreign key, and a many-to-many relationship for each table that does nothing but join two others.
The API is that of ``sqlalchemy.ext.automap``, for the mappers of this package::

    from session.ext.automap import automap_base

    Base = automap_base()
    Base.prepare(autoload_with=engine)
    User, Address = Base.classes.user, Base.classes.address

    with Session(engine) as session, session.begin():
        session.add(Address(email="ed@example.com", user=User(name="ed")))

Classes that are declared by hand wait for ``prepare()``, too, and keep what they have declared: names of columns,
relationships, relationships' arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import ForeignKeyConstraint, MetaData, Table, and_
from sqlalchemy.exc import ArgumentError
from sqlalchemy.util import Properties, immutabledict, warn_deprecated

from session.constants import MANYTOMANY, MANYTOONE, ONETOMANY
from session.mapping.backrefs import backref
from session.mapping.configure import lock
from session.mapping.declarative import declarative_base as make_declarative_base
from session.mapping.relationship import relationship
from session.mapping.scan import ClassScan
from session.mapping.waiting import MappedLater, map_classes, scan_of, waiting_below

__all__ = [
    "AutomapBase",
    "automap_base",
    "classname_for_table",
    "generate_relationship",
    "name_for_collection_relationship",
    "name_for_scalar_relationship",
]

PythonNameForTableType = Callable[[Any, str, Table], Any]
NameForScalarRelationshipType = Callable[[Any, Any, Any, ForeignKeyConstraint], str]
NameForCollectionRelationshipType = Callable[[Any, Any, Any, ForeignKeyConstraint], str]
GenerateRelationshipType = Callable[..., Any]


# -- names, and what is made: for users to replace -----------------------------------------------------


def classname_for_table(base: type[Any], tablename: str, table: Table) -> str:
    """Name the class of a table: as the table.

    :param base: the class whose ``prepare()`` asks.
    """
    return str(tablename)


def name_for_scalar_relationship(
    base: type[Any], local_cls: type[Any], referred_cls: type[Any], constraint: ForeignKeyConstraint
) -> str:
    """Name a relationship to one object: as its class, in small letters.

    :param base: the class whose ``prepare()`` asks.
    :param local_cls: the class that has the relationship.
    :param referred_cls: the class that it leads to.
    :param constraint: the foreign key.
    """
    return referred_cls.__name__.lower()


def name_for_collection_relationship(
    base: type[Any], local_cls: type[Any], referred_cls: type[Any], constraint: ForeignKeyConstraint
) -> str:
    """Name a relationship to several objects: as their class, in small letters, with ``_collection`` at its end.

    Arguments are those of :func:`name_for_scalar_relationship`.
    """
    return f"{referred_cls.__name__.lower()}_collection"


def generate_relationship(
    base: type[Any],
    direction: Any,
    return_fn: Callable[..., Any],
    attrname: str,
    local_cls: type[Any],
    referred_cls: type[Any],
    **kw: Any,
) -> Any:
    """Make one side of a relationship. A function in its place may add to ``kw`` and call this one.

    :param base: the class whose ``prepare()`` asks.
    :param direction: ``ONETOMANY``, ``MANYTOONE`` or ``MANYTOMANY``.
    :param return_fn: ``relationship`` or ``backref``: what is to be made.
    :param attrname: the name of the attribute.
    :param local_cls: the class that has it.
    :param referred_cls: the class that it leads to.
    :param kw: arguments of ``return_fn``.
    :return: what ``return_fn`` makes; a function in the place of this one may give ``None`` for no relationship.
    :raises TypeError: ``return_fn`` is neither of them.
    """
    if return_fn is backref:
        return return_fn(attrname, **kw)
    if return_fn is relationship:
        return return_fn(referred_cls, **kw)
    raise TypeError(f"generate_relationship() makes a relationship() or a backref(), not a {return_fn!r}")


# -- bases -----------------------------------------------------------------------------------------------


class AutomapBase(MappedLater):
    """What :func:`automap_base` puts before a declarative base.

    :cvar classes: the classes by name, as attributes and as a mapping; those with a module of their own, by
        ``modulename_for_table``, are left out.
    :cvar by_module: all classes by the parts of their module and their name:
        ``Base.by_module.session.ext.automap.user``.
    """

    __abstract__ = True
    _session_mapped_by_ = "prepare() of its automap base"

    classes: ClassVar[Properties[Any]]
    by_module: ClassVar[Properties[Any]]
    metadata: ClassVar[MetaData]
    _session_mapped_tables_: ClassVar[set[Table]]

    @classmethod
    def prepare(
        cls,
        autoload_with: Any = None,
        engine: Any = None,
        reflect: bool = False,
        schema: str | None = None,
        classname_for_table: PythonNameForTableType | None = None,
        modulename_for_table: PythonNameForTableType | None = None,
        collection_class: Any = None,
        name_for_scalar_relationship: NameForScalarRelationshipType | None = None,
        name_for_collection_relationship: NameForCollectionRelationshipType | None = None,
        generate_relationship: GenerateRelationshipType | None = None,
        reflection_options: Mapping[str, Any] = immutabledict(),
    ) -> None:
        """Map the tables of the base's ``metadata``, and the classes that are declared below the base.

        Called again, it maps what has come since: tables of another ``schema``, further classes. Relationships are made
        between tables that are mapped in the same call; of several foreign keys between two tables, or tables between
        two others, whose relationships would have the same names, the first has them.

        :param autoload_with: an ``Engine`` or ``Connection`` whose tables are reflected before.
        :param engine: the same, by the name that it had.
        :param reflect: ``True`` with ``engine``: reflect.
        :param schema: the schema whose tables are reflected.
        :param classname_for_table: see :func:`classname_for_table`.
        :param modulename_for_table: a function of the same arguments for the ``__module__`` of a class; ``None`` from
            it leaves the class as it is, in :attr:`classes`.
        :param collection_class: the collections of relationships to several objects; ``list`` by default.
        :param name_for_scalar_relationship: see :func:`name_for_scalar_relationship`.
        :param name_for_collection_relationship: see :func:`name_for_collection_relationship`.
        :param generate_relationship: see :func:`generate_relationship`.
        :param reflection_options: further arguments of ``MetaData.reflect()``, such as ``only``.
        :raises sqlalchemy.exc.ArgumentError: a class cannot be mapped, for instance because a relationship would have
            the name of a column; the functions for names help.
        """
        bind = _bind_of(autoload_with, engine, reflect)
        if bind is not None:
            settings = {"schema": schema, "extend_existing": True, "autoload_replace": False}
            cls.metadata.reflect(bind, **{**settings, **reflection_options})
        functions = globals()
        naming = Naming(
            classname_for_table or functions["classname_for_table"],
            modulename_for_table or (lambda base, tablename, table: None),
            name_for_scalar_relationship or functions["name_for_scalar_relationship"],
            name_for_collection_relationship or functions["name_for_collection_relationship"],
            generate_relationship or functions["generate_relationship"],
            collection_class or list,
        )
        with lock:
            Preparation(cls, naming).run()


def automap_base(declarative_base: type[Any] | None = None, **kw: Any) -> Any:
    """Make a declarative base whose classes :meth:`AutomapBase.prepare` makes and maps.

    :param declarative_base: a base of your own, to be derived from; else one is made.
    :param kw: the arguments of ``declarative_base()`` for that.
    """
    base: Any = make_declarative_base(**kw) if declarative_base is None else declarative_base
    names = {
        "__abstract__": True,
        "classes": Properties({}),
        "by_module": Properties({}),
        "_session_mapped_tables_": set(),
    }
    return type(base)(base.__name__, (AutomapBase, base), names)


def _bind_of(autoload_with: Any, engine: Any, reflect: bool) -> Any:
    """Give what tables are reflected from, ``None`` if they are not."""
    if reflect:
        warn_deprecated("The argument reflect of prepare() says nothing any more; give autoload_with", "1.4")
    if engine is not None:
        warn_deprecated("The argument engine of prepare() is now autoload_with", "1.4")
    if autoload_with is not None:
        return autoload_with
    if reflect and engine is None:
        raise ArgumentError("prepare() reflects tables from an Engine or a Connection; give one as autoload_with")
    return engine if reflect else None


@dataclass(frozen=True)
class Naming:
    """The user's functions, and the class of collections."""

    class_name: PythonNameForTableType
    module_name: PythonNameForTableType
    scalar: NameForScalarRelationshipType
    collection: NameForCollectionRelationshipType
    generate: GenerateRelationshipType
    collection_class: Any


# -- one call of prepare() ---------------------------------------------------------------------------------


class Preparation:
    """One call of ``prepare()``.

    :param base: the automap base.
    :param naming: the user's functions.
    """

    def __init__(self, base: Any, naming: Naming) -> None:
        self.base = base
        self.naming = naming
        self.declared = waiting_below(base)
        #: what is to be mapped, by table
        self.scans: dict[Any, ClassScan] = {scan.table: scan for scan in self.declared if scan.table is not None}
        #: the reverses that relationships will make when the mappers are configured
        self.promised: set[tuple[ClassScan, str]] = set()

    def run(self) -> None:
        """Make classes, then relationships, then map them all."""
        known = self.base._session_mapped_tables_
        between = []
        for table in list(self.base.metadata.tables.values()):
            if table in known:
                continue
            sides = sides_of(table)
            if sides is not None:
                between.append((table, *sides))
            elif table.primary_key and table not in self.scans:
                self.make_class(table)
        for table, near, far in between:
            self.relate_many(table, near, far)
        for table, scan in list(self.scans.items()):
            for constraint in in_order(table):
                self.relate(scan, constraint)
        for scan in self.declared:
            self.file(scan.cls, None)
        map_classes(waiting_below(self.base))
        known.update(self.scans)

    def make_class(self, table: Table) -> None:
        """Declare the class of a table."""
        name = self.naming.class_name(self.base, table.name, table)
        module = self.naming.module_name(self.base, table.name, table)
        names = {"__table__": table, "__module__": __name__ if module is None else module}
        made = type(self.base)(name, (self.base,), names)
        scan = scan_of(made)
        assert scan is not None
        self.scans[table] = scan
        self.file(made, module)

    def file(self, cls: type[Any], module: str | None) -> None:
        """Enter a class into the collections of the base."""
        if module is None:
            self.base.classes[cls.__name__] = cls
        place = self.base.by_module
        for part in cls.__module__.split("."):
            if part not in place:
                place[part] = Properties({})
            place = place[part]
        place[cls.__name__] = cls

    # -- relationships -------------------------------------------------------------------------

    def relate(self, local: ClassScan, constraint: ForeignKeyConstraint) -> None:
        """Make a many-to-one for a foreign key, and its reverse, as far as they are not declared."""
        referred = self.scans.get(constraint.referred_table)
        if referred is None or (referred is not local and issubclass(local.cls, referred.cls)):
            return
        naming, base = self.naming, self.base
        name = naming.scalar(base, local.cls, referred.cls, constraint)
        reverse = naming.collection(base, referred.cls, local.cls, constraint)
        columns = [key.parent for key in constraint.elements]
        keywords = {"collection_class": naming.collection_class, **cascades_of(constraint)}

        def make_reverse(return_fn: Any, **more: Any) -> Any:
            return naming.generate(base, ONETOMANY, return_fn, reverse, referred.cls, local.cls, **keywords, **more)

        def make(**more: Any) -> Any:
            remote = [key.column for key in constraint.elements]
            return naming.generate(
                base,
                MANYTOONE,
                relationship,
                name,
                local.cls,
                referred.cls,
                foreign_keys=columns,
                remote_side=remote,
                **more,
            )

        self.connect(local, name, referred, reverse, make, make_reverse, {"foreign_keys": columns})

    def relate_many(self, table: Table, near: ForeignKeyConstraint, far: ForeignKeyConstraint) -> None:
        """Make a many-to-many relationship over a table, and its reverse, as far as they are not declared."""
        local, referred = self.scans.get(near.referred_table), self.scans.get(far.referred_table)
        if local is None or referred is None:
            return
        naming, base = self.naming, self.base
        name = naming.collection(base, local.cls, referred.cls, near)
        reverse = naming.collection(base, referred.cls, local.cls, far)

        def make(**more: Any) -> Any:
            joins = {"primaryjoin": joined(near), "secondaryjoin": joined(far)}
            return generate(relationship, name, local, referred, secondary=table, **joins, **more)

        def make_reverse(return_fn: Any, **more: Any) -> Any:
            return generate(return_fn, reverse, referred, local, **more)

        def generate(return_fn: Any, name: str, one: ClassScan, other: ClassScan, **keywords: Any) -> Any:
            keywords["collection_class"] = naming.collection_class
            return naming.generate(base, MANYTOMANY, return_fn, name, one.cls, other.cls, **keywords)

        joins = {"primaryjoin": joined(far), "secondaryjoin": joined(near)}
        self.connect(local, name, referred, reverse, make, make_reverse, {"secondary": table, **joins})

    def connect(
        self,
        local: ClassScan,
        name: str,
        referred: ClassScan,
        reverse: str,
        make: Callable[..., Any],
        make_reverse: Callable[..., Any],
        reverse_arguments: dict[str, Any],
    ) -> None:
        """Put a relationship and its reverse on two classes; what is declared stays, connected with the other side.

        :param make: makes the relationship, with further arguments.
        :param make_reverse: makes the reverse by ``backref`` or ``relationship``.
        :param reverse_arguments: what the second needs besides.
        """
        there, reverse_there = name in local.properties, reverse in referred.properties
        if there and (reverse_there or (referred, reverse) in self.promised):
            return
        if reverse_there and (local, name) in self.promised:
            return
        if there:
            made = make_reverse(relationship, back_populates=name, **reverse_arguments)
            if made is not None:
                referred.properties[reverse] = made
                local.properties[name].back_populates = reverse
            return
        made = make(backref=None if reverse_there else make_reverse(backref))
        if made is None:
            return
        local.properties[name] = made
        if reverse_there:
            referred.properties[reverse].back_populates = name
        else:
            self.promised.add((referred, reverse))


# -- what tables tell ------------------------------------------------------------------------------------------


def in_order(table: Any) -> list[ForeignKeyConstraint]:
    """Give the foreign keys of a table in the order of their columns."""
    places = {column: number for number, column in enumerate(table.c)}
    constraints = getattr(table, "foreign_key_constraints", ())
    return sorted(constraints, key=lambda constraint: [places[column] for column in constraint.columns])


def sides_of(table: Table) -> tuple[ForeignKeyConstraint, ForeignKeyConstraint] | None:
    """Give the two foreign keys of a table that does nothing but join two others; ``None`` for any other table."""
    constraints = in_order(table)
    if len(constraints) != 2:
        return None
    near, far = constraints
    return (near, far) if {*near.columns, *far.columns}.issuperset(table.c) else None


def joined(constraint: ForeignKeyConstraint) -> Any:
    """Give the condition of a foreign key."""
    return and_(*[key.column == key.parent for key in constraint.elements])


def cascades_of(constraint: ForeignKeyConstraint) -> dict[str, Any]:
    """Give the arguments of a one-to-many by what becomes of its rows when their parent is deleted."""
    on_delete = (constraint.ondelete or "").upper()
    if any(not column.nullable for column in constraint.columns):
        arguments: dict[str, Any] = {"cascade": "all, delete-orphan"}
        return {**arguments, "passive_deletes": True} if on_delete == "CASCADE" else arguments
    return {"passive_deletes": True} if on_delete == "SET NULL" else {}
