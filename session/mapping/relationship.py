"""``relationship()``: the construct that a class body maps its related objects with.

The property that it makes, and everything that is worked out of its arguments, is in ``relationship_property.py``.
"""

from __future__ import annotations

from typing import Any

from session.mapping.backrefs import backref
from session.mapping.base import NOT_GIVEN, DataclassOptions
from session.mapping.joins import foreign, remote
from session.mapping.mapped import Mapped
from session.mapping.relationship_property import DEFAULT_CASCADE, RelationshipProperty

__all__ = ["Relationship", "RelationshipProperty", "backref", "foreign", "relationship", "remote"]


class Relationship(RelationshipProperty, Mapped[Any]):
    """What :func:`relationship` returns."""


def relationship(
    argument: Any = None,
    secondary: Any = None,
    *,
    uselist: bool | None = None,
    collection_class: Any = None,
    primaryjoin: Any = None,
    secondaryjoin: Any = None,
    back_populates: str | None = None,
    order_by: Any = False,
    backref: Any = None,
    overlaps: str | None = None,
    post_update: bool = False,
    cascade: str = DEFAULT_CASCADE,
    viewonly: bool = False,
    init: Any = NOT_GIVEN,
    repr: Any = NOT_GIVEN,
    default: Any = NOT_GIVEN,
    default_factory: Any = NOT_GIVEN,
    compare: Any = NOT_GIVEN,
    kw_only: Any = NOT_GIVEN,
    hash: Any = NOT_GIVEN,
    lazy: Any = "select",
    passive_deletes: Any = False,
    passive_updates: bool = True,
    active_history: bool = False,
    enable_typechecks: bool = True,
    foreign_keys: Any = None,
    remote_side: Any = None,
    join_depth: int | None = None,
    comparator_factory: Any = None,
    single_parent: bool = False,
    innerjoin: Any = False,
    distinct_target_key: bool | None = None,
    load_on_pending: bool = False,
    query_class: Any = None,
    info: Any = None,
    omit_join: Any = None,
    sync_backref: bool | None = None,
    dataclass_metadata: Any = NOT_GIVEN,
    **kw: Any,
) -> Relationship:
    """Map an attribute to the related object, or to a collection of related objects, of a mapped class.

    :param argument: the target: a class, its name, or a function that returns it; by default the annotation's.
    :param secondary: the table between the two, for many-to-many.
    :param uselist: whether the attribute is a collection; by default known from the annotation or the direction.
    :param collection_class: class or factory of the collection, ``list`` by default.
    :param primaryjoin: the join condition, where the foreign keys do not say it.
    :param secondaryjoin: the join condition between ``secondary`` and the target.
    :param back_populates: name of the relationship on the target that is the other direction of this one.
    :param order_by: by what the collection is ordered when it is loaded.
    :param backref: name of the other direction, to be made; or :func:`backref` with its arguments.
    :param overlaps: names of relationships that may write the same columns, without a warning.
    :param post_update: write the foreign key by an UPDATE of its own, for rows that refer to each other.
    :param cascade: the operations that go on to the related objects.
    :param viewonly: load only, write nothing.
    :param lazy: the loading strategy: "select", "peers", "joined", "selectin", "subquery", "immediate", "raise",
        "raise_on_sql", "noload", "dynamic", "write_only". With "peers" the first read loads the relationship for all
        objects that came in the same result; see :func:`~session.load.options.peerload`.
    :param passive_deletes: leave the related rows of a deleted parent to the database; ``"all"``: without exception.
    :param passive_updates: leave changes of a primary key that is referred to, to the database.
    :param active_history: load the old value before a change.
    :param enable_typechecks: refuse objects of other classes in a flush.
    :param foreign_keys: the columns that refer, where the tables do not say it or there are several.
    :param remote_side: the columns of the target's side, for a class that refers to itself.
    :param join_depth: how deep a class that refers to itself is loaded by joins.
    :param comparator_factory: subclass of :class:`RelationshipProperty.Comparator`.
    :param single_parent: let an object belong to one parent only.
    :param innerjoin: whether joined loading uses an inner join.
    :param distinct_target_key: whether subquery loading selects distinct keys.
    :param load_on_pending: load for objects that are not flushed yet, too.
    :param query_class: class of the query of a "dynamic" relationship.
    :param info: the user's own notes.
    :param omit_join: ``False``: let "selectin" loading join to the parent's table.
    :param sync_backref: whether changes are made on the other side, too.
    :return: the property, which the mapping of the class takes in.
    :raises ArgumentError: for arguments that contradict each other.

    The parameters ``init`` to ``kw_only``, ``hash`` and ``dataclass_metadata`` are those of ``dataclasses.field()``,
    for classes that are made dataclasses.

    ::

        class Basket(Base):
            __tablename__ = "basket"
            number: Mapped[int] = mapped_column(primary_key=True)
            fruits: Mapped[set["Fruit"]] = relationship(back_populates="basket", cascade="all, delete-orphan")
    """
    settings = locals()
    settings |= settings.pop("kw")
    fields = {name: settings.pop(name) for name in _FIELD_SETTINGS}
    return Relationship(dataclass_options=DataclassOptions(**fields), **settings)


_FIELD_SETTINGS = ("init", "repr", "default", "default_factory", "compare", "kw_only", "hash", "dataclass_metadata")
