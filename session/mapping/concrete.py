"""Hierarchies of concrete tables whose base is read from a union of them all, made when the classes are known.

What comes in are mappers that are not configured yet; :mod:`session.ext.declarative` calls it at that moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.exc import ArgumentError

from session.mapping import inheritance, properties
from session.mapping.mapper import Mapper
from session.mapping.polymorphic_union import polymorphic_union

__all__ = ["inherit", "read_from", "union_of"]


def union_of(mappers: Iterable[Mapper[Any]], discriminator: str) -> Any:
    """Return the union of the tables of some mappers, in which each row says of which class it is.

    :param discriminator: the name of the column for that.
    :raises sqlalchemy.exc.ArgumentError: a class has no ``polymorphic_identity`` to say.
    :raises sqlalchemy.exc.InvalidRequestError: a table has a column of that name.
    """
    tables: dict[Any, Any] = {}
    for mapper in mappers:
        if mapper.single or mapper.polymorphic_abstract:  # has no rows of its own to bring in
            continue
        if mapper.polymorphic_identity is None:
            raise ArgumentError(
                f"{mapper} has a concrete table in a union of several, and no polymorphic_identity by which its rows "
                f"can be told from those of others; give it one in __mapper_args__"
            )
        tables[mapper.polymorphic_identity] = mapper.local_table
    return polymorphic_union(tables, discriminator, "pjoin")


def read_from(mapper: Mapper[Any], union: Any, discriminator: Any) -> None:
    """Have every SELECT of a class read a union, which brings the objects of its subclasses too.

    :param discriminator: the column of the union that names the class of a row.
    """
    mapper.with_polymorphic = "*"
    mapper.with_polymorphic_selectable_given = union
    mapper.given_polymorphic_on = discriminator
    inheritance.set_up_discriminator(mapper)
    for one in mapper.base_mapper.self_and_descendants:
        one.forget_derived()


def inherit(parent: Mapper[Any], heirs: Iterable[Mapper[Any]]) -> None:
    """Have mappers with concrete tables inherit from one that was made after them.

    :param heirs: mappers that do not inherit from any other.
    """
    for heir in heirs:
        heir.inherits, heir.concrete = parent, True
        parent.heirs.append(heir)
        below = heir.self_and_descendants
        for one in below:
            one.base_mapper = parent.base_mapper
            for identity, mapper in one.polymorphic_map.items():
                parent.polymorphic_map.setdefault(identity, mapper)
            one.polymorphic_map = parent.polymorphic_map
        parent.has_concrete_heirs = True
        for key, prop in parent.props.items():
            properties.adopt(heir, key, prop)
    for one in parent.base_mapper.self_and_descendants:
        one.forget_derived()
