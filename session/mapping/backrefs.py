"""The two directions of a relationship: making the other one, telling them of each other, checking that they fit.

``back_populates`` names a relationship that exists; ``backref`` has it made here, when mappers are configured.
Also here: the warning for two relationships that write the same column without knowing of each other.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.util import warn

from session.constants import MANYTOMANY

__all__ = ["backref", "link", "make_backref", "syncs", "warn_of_overlaps"]

#: for each column that relationships write, these relationships with the column that each copies from
_writers: weakref.WeakKeyDictionary[Any, weakref.WeakKeyDictionary[Any, Any]] = weakref.WeakKeyDictionary()


def backref(name: str, **kwargs: Any) -> tuple[str, dict[str, Any]]:
    """Say how the other direction of a relationship is to be made, for ``relationship(backref=...)``.

    :param name: the attribute's name on the target.
    :param kwargs: arguments of :func:`session.relationship` for it.

    ::

        children = relationship("Node", backref=backref("parent", remote_side=id))
    """
    return (name, kwargs)


def make_backref(prop: Any, make: Callable[..., Any]) -> None:
    """Make the other direction that a relationship asks for with ``backref``; afterwards it is its ``back_populates``.

    :param prop: a relationship whose join condition is known.
    :param make: the class of relationships.
    :raises ArgumentError: if the target has an attribute of that name, or an argument does not apply.
    """
    wanted = prop.backref
    if wanted is None or (prop.parent.concrete and prop.key not in prop.parent.props):
        return
    key, given = (wanted, {}) if isinstance(wanted, str) else wanted
    arguments = dict(given)
    target = prop.mapper
    for mapper in (*target.self_and_descendants, *target.iterate_to_root()):
        present = mapper.props.get(key)
        if present is not None and not _replaceable(mapper, key):
            raise ArgumentError(
                f"Relationship {prop} cannot make its backref {key!r}: {mapper.class_.__name__} has an attribute of "
                f"that name; choose another name, or link the two with back_populates"
            )
    if prop.secondary is not None:
        turned = prop.condition.exchanged_joins()
        primaryjoin = arguments.pop("primaryjoin", turned[0])
        secondaryjoin = arguments.pop("secondaryjoin", turned[1])
    else:
        primaryjoin = arguments.pop("primaryjoin", None)
        if primaryjoin is None:
            primaryjoin = prop.condition.reversed_primaryjoin(
                sides=arguments.get("remote_side") is None, foreign=arguments.get("foreign_keys") is None
            )
        secondaryjoin = arguments.pop("secondaryjoin", None)
        if secondaryjoin is not None:
            raise ArgumentError(f"The backref of {prop} has a secondaryjoin, but there is no secondary table")
    arguments.setdefault("foreign_keys", prop.given_foreign_keys)
    for name in ("viewonly", "post_update", "passive_updates", "sync_backref"):
        arguments.setdefault(name, getattr(prop, name))
    prop.back_populates = key
    reverse = make(
        prop.parent.class_,
        prop.secondary,
        primaryjoin=primaryjoin,
        secondaryjoin=secondaryjoin,
        back_populates=prop.key,
        **arguments,
    )
    target.add_property(key, reverse)


def _replaceable(mapper: Any, key: str) -> bool:
    return key in getattr(mapper, "concrete_blocked", ())


def link(prop: Any) -> None:
    """Tell a relationship and the one that it names in ``back_populates`` of each other.

    :raises InvalidRequestError: if there is no such attribute, or it is no relationship.
    :raises ArgumentError: if it leads somewhere else, or in the same direction.
    """
    key = prop.back_populates
    target = prop.mapper
    other = target.props.get(key)
    if other is None:
        raise InvalidRequestError(
            f"Relationship {prop} names {key!r} in back_populates, which {target.class_.__name__} does not have; map "
            f"{target.class_.__name__}.{key} as a relationship to {prop.parent.class_.__name__}, or correct the name"
        )
    if not other.is_relationship:
        raise InvalidRequestError(
            f"Relationship {prop} names {key!r} in back_populates, but {target.class_.__name__}.{key} is no "
            f"relationship; it takes the name of one on the target class"
        )
    if not other.mapper.common_parent(prop.parent):
        raise ArgumentError(
            f"Relationship {prop} names {other} in back_populates, which leads to {other.mapper.class_.__name__} and "
            f"not back to {prop.parent.class_.__name__}"
        )
    for one, reverse in ((prop, other), (other, prop)):
        if one.viewonly and reverse.sync_backref:
            raise InvalidRequestError(
                f"Relationship {reverse} has sync_backref=True, but the other direction {one} is viewonly, so its "
                f"changes are not to be followed"
            )
    prop.reverse_properties.add(other)
    other.reverse_properties.add(prop)
    if other.direction is not None and prop.direction is other.direction and prop.direction is not MANYTOMANY:
        raise ArgumentError(
            f"Relationships {prop} and {other} are both {prop.direction.name}, so they are not two directions of one; "
            f"where a class refers to itself, give remote_side= with the primary key to the many-to-one one"
        )


def syncs(prop: Any) -> bool:
    """Tell whether changes of a relationship are to be made on the other side too."""
    if not prop.back_populates or prop.viewonly or prop.sync_backref is False:
        return False
    other = prop.mapper.props.get(prop.back_populates)
    return other is not None and not other.viewonly


def warn_of_overlaps(prop: Any) -> None:
    """Warn if another relationship that is not known to belong to this one writes the same column."""
    if prop.viewonly:
        return
    for source, written in (*prop.synchronize_pairs, *prop.secondary_synchronize_pairs):
        writers = _writers.setdefault(written, weakref.WeakKeyDictionary())
        others = [(other, column) for other, column in list(writers.items()) if _conflicts(prop, other)]
        if others:
            what = ", ".join(sorted(f"{other} (copies {column} to {written})" for other, column in others))
            names = ",".join(sorted(other.key for other, _ in others))
            warn(
                f"Relationship {prop} copies column {source} to column {written} in a flush, and so do: {what}. If "
                f"they are two directions of one, link them with back_populates; if one is for reading only, make it "
                f"viewonly=True; if the foreign keys overlap in part, mark with foreign() the columns that each is to "
                f'write. If all is as it should be, give {prop} the argument overlaps="{names}".'
            )
        writers[prop] = source


def _conflicts(prop: Any, other: Any) -> bool:
    if other is prop or other in prop.reverse_properties or getattr(other.mapper, "disposed", False):
        return False
    if getattr(other.parent, "disposed", False):
        return False
    allowed = prop.overlaps | other.overlaps
    if other.key in prop.overlaps or prop.key in other.overlaps or "__*" in allowed:
        return False
    if prop.parent.is_sibling(other.parent) or prop.mapper.is_sibling(other.mapper):
        return False
    return prop.key != other.key or not prop.parent.common_parent(other.parent)
