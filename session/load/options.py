"""The functions that make loader options, for ``select().options(...)`` and ``Session.get(options=...)``.

Each gives a :class:`~session.load.loader_option.Load` that can be continued with methods of the same
names.  Relationship options take a class-bound attribute, several to go along a path (all but the last
then keep their own way of loading), or ``"*"`` for all relationships.  Next on the way:
``load/option_tree.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.exc import ArgumentError

from session.load.criteria import LoaderCriteriaOption, with_loader_criteria
from session.load.loader_option import ANY, Load, LoaderOption, OnlyKeys, entity_of, step_of
from session.load.option_tree import OptionSet, resolve_options

__all__ = [
    "Load",
    "LoaderCriteriaOption",
    "LoaderOption",
    "OnlyKeys",
    "OptionSet",
    "contains_eager",
    "defaultload",
    "defer",
    "immediateload",
    "joinedload",
    "lazyload",
    "load_only",
    "noload",
    "peerload",
    "raiseload",
    "resolve_options",
    "selectin_polymorphic",
    "selectinload",
    "subqueryload",
    "undefer",
    "undefer_group",
    "with_expression",
    "with_loader_criteria",
]


def _begin(attribute: Any) -> Load:
    """Begin an option at the entity of its first attribute; anywhere for ``"*"``."""
    if isinstance(attribute, str) and attribute == ANY:
        return Load.anywhere()
    return Load(step_of(attribute).owner)


def _lead(keys: tuple[Any, ...], name: str) -> tuple[Load, Any]:
    """Go along all attributes but the last, by their own ways of loading."""
    if not keys:
        raise ArgumentError(f"{name}() needs the relationship that it is for, such as {name}(User.addresses)")
    option = _begin(keys[0])
    for key in keys[:-1]:
        option = option.defaultload(key)
    return option, keys[-1]


def selectinload(*keys: Any, recursion_depth: int | None = None, chunksize: int | None = None) -> Load:
    """Load a relationship with one more SELECT for each 500 parents, by ``IN`` on their keys.

    :param keys: the relationship, or the path to it.
    :param recursion_depth: for a relationship to its own class: how many levels more to load;
        -1 goes on until nothing is found.
    :param chunksize: for how many parents one SELECT is to be, in place of 500.
    :raises ArgumentError: no such relationship there, or a ``chunksize`` below one.
    """
    option, last = _lead(keys, "selectinload")
    return option.selectinload(last, recursion_depth=recursion_depth, chunksize=chunksize)


def joinedload(*keys: Any, innerjoin: bool | str | None = None) -> Load:
    """Load a relationship with the same SELECT, by a LEFT OUTER JOIN to an anonymous alias.

    :param keys: the relationship, or the path to it.
    :param innerjoin: ``True`` for an inner join; below an outer join it is nested in it, unless "unnested".
    :raises ArgumentError: no such relationship there.

    A result with joined collections has to be made unique: ``session.scalars(...).unique()``.
    """
    option, last = _lead(keys, "joinedload")
    return option.joinedload(last, innerjoin=innerjoin)


def subqueryload(*keys: Any) -> Load:
    """Load a relationship with one more SELECT.

    It emits what :func:`selectinload` emits (``IN`` on the parents' keys): results are the same as those of a
    SELECT around the original statement as a subquery, which this package does not repeat.

    :param keys: the relationship, or the path to it.
    """
    option, last = _lead(keys, "subqueryload")
    return option.subqueryload(last)


def lazyload(*keys: Any) -> Load:
    """Load a relationship when it is first read, whatever its mapping says.

    :param keys: the relationship, or the path to it.
    """
    option, last = _lead(keys, "lazyload")
    return option.lazyload(last)


def peerload(*keys: Any) -> Load:
    """Load a relationship at its first read, for all objects that came in the same result, by ``IN`` on their keys.

    A loop that reads the relationship of each object of a result takes one SELECT for each 500 of these, and none
    if nobody reads it. The objects of one result, or of one partition with ``yield_per``, are each other's peers;
    so are the objects of one collection, and those that one load for peers has brought. For a relationship of a class
    to itself the option holds on all levels: to walk a tree takes one SELECT for each level (each 500 objects of it).

    :param keys: the relationship, or the path to it; ``"*"`` for all that would load when they are read.
    :return: an option that can be continued with what is behind the relationship.
    :raises ArgumentError: no such relationship there.

    A peer is left alone if it holds a value or unflushed changes of the relationship already, is deleted or marked for
    deletion, has left the Session, or may not load it (``raiseload()``). An object that was expired is loaded again
    together with its peers, of which fewer are taken the more often that happens. Peers are known by their identity and
    are not kept alive. The row of an expired peer is not read: if it is no longer there, a collection of the peer
    is empty, where a load of its own would raise ``ObjectDeletedError``.

    A single load, as by :func:`lazyload`, is what remains for objects without peers: those that came alone (``get()``),
    that were just flushed, or unpickled; for the old value of a changed attribute; and for a key of several columns of
    which some are NULL. Use :func:`lazyload` where keys are equal for the database and not for Python (a collation that
    ignores case), and for composite keys where the database has no ``IN`` for several columns.

    The mapping says the same as this option by ``relationship(lazy="peers")``, and ``Session(lazy_peers=True)`` for all
    relationships that load when they are read.

    >>> users = session.scalars(select(User).options(peerload(User.addresses))).all()  # doctest: +SKIP
    >>> [len(user.addresses) for user in users]  # doctest: +SKIP
    [2, 1, 0]
    """
    option, last = _lead(keys, "peerload")
    return option.peerload(last)


def immediateload(*keys: Any, recursion_depth: int | None = None) -> Load:
    """Load a relationship right after its parents, one parent at a time; what is in the Session needs no SQL.

    :param keys: the relationship, or the path to it.
    :param recursion_depth: levels of a relationship to its own class; -1 for all.
    """
    option, last = _lead(keys, "immediateload")
    return option.immediateload(last, recursion_depth=recursion_depth)


def noload(*keys: Any) -> Load:
    """Leave a relationship empty: ``None``, or an empty collection, and never any SQL.

    :param keys: the relationship, or the path to it.
    """
    option, last = _lead(keys, "noload")
    return option.noload(last)


def raiseload(*keys: Any, sql_only: bool = False) -> Load:
    """Raise ``InvalidRequestError`` when the relationship is read and not loaded yet.

    :param keys: the relationship, or the path to it; ``"*"`` for all.
    :param sql_only: raise only if the load would emit SQL; what is in the Session may be read.
    """
    option, last = _lead(keys, "raiseload")
    return option.raiseload(last, sql_only=sql_only)


def defaultload(*keys: Any) -> Load:
    """Go along a relationship without changing how it is loaded, to say something about what is behind it.

    :param keys: the relationship, or the path to it.
    """
    option, last = _lead(keys, "defaultload")
    return option.defaultload(last)


def contains_eager(*keys: Any, alias: Any = None) -> Load:
    """Load a relationship from entities that the statement itself has joined.

    :param keys: the relationship, or the path to it.
    :param alias: the alias that was joined; ``User.addresses.of_type(alias)`` says the same.
    """
    if not keys:
        raise ArgumentError("contains_eager() needs the relationship that the statement has joined")
    option = _begin(keys[0])
    for key in keys[:-1]:
        option = option.contains_eager(key)
    return option.contains_eager(keys[-1], alias=alias)


def load_only(*attrs: Any, raiseload: bool = False) -> Load:
    """Load these columns of an entity, and its primary key; the others when they are read.

    :param attrs: column attributes of one entity.
    :param raiseload: refuse to load the others.
    """
    if not attrs:
        raise ArgumentError("load_only() needs at least one column attribute")
    return _begin(attrs[0]).load_only(*attrs, raiseload=raiseload)


def defer(key: Any, *addl_attrs: Any, raiseload: bool = False) -> Load:
    """Load a column when it is first read.

    :param key: the column attribute; further ones make a path to the last.
    :param raiseload: raise when it is read instead.
    """
    option, last = _lead((key, *addl_attrs), "defer")
    return option.defer(last, raiseload=raiseload)


def undefer(key: Any, *addl_attrs: Any) -> Load:
    """Load a deferred column together with its object.

    :param key: the column attribute; further ones make a path to the last.
    """
    option, last = _lead((key, *addl_attrs), "undefer")
    return option.undefer(last)


def undefer_group(name: str) -> Load:
    """Load all columns of a deferred group together with their object.

    :param name: the group's name, as given to ``deferred(group=...)``.
    """
    return Load.anywhere().undefer_group(name)


def with_expression(key: Any, expression: Any) -> Load:
    """Give a ``query_expression()`` attribute its SQL expression for this statement.

    :param key: the attribute.
    :param expression: any SQL expression.
    """
    return _begin(key).with_expression(key, expression)


def selectin_polymorphic(base_cls: Any, classes: Iterable[Any]) -> Load:
    """Load the columns of subclasses with one more SELECT per subclass, by ``IN`` on the primary keys.

    :param base_cls: the class that the statement selects.
    :param classes: subclasses of it.
    """
    return Load(entity_of(base_cls)).selectin_polymorphic(classes)
