"""Foreign keys: values copied from a referenced object to the one that refers to it.

``pairs`` are the column pairs of a relationship, with the attribute keys that hold them: the referenced
column first, then the one that refers to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from session.constants import NO_VALUE, PASSIVE_OFF
from session.exc import UnmappedColumnError

__all__ = ["Pair", "clear", "key_changed", "pairs_of", "populate", "values_before", "values_now"]


class Pair(NamedTuple):
    """One column of a foreign key.

    ``source_key`` and ``target_key`` are the keys of the attributes, ``None`` on a side that is an
    association table.
    """

    source: Any
    target: Any
    source_key: str | None
    target_key: str | None
    cascades: bool


def pairs_of(prop: Any, column_pairs: Iterable[tuple[Any, Any]], source: Any, target: Any) -> tuple[Pair, ...]:
    """Look up the attributes of a relationship's column pairs.

    :param prop: the relationship, for messages.
    :param column_pairs: referenced and referring columns.
    :param source: the mapper of the referenced columns.
    :param target: the mapper of the referring columns, ``None`` for an association table.
    :raises UnmappedColumnError: if a column is not mapped.
    """
    found = []
    for column, reference in column_pairs:
        both_keys = bool(reference.primary_key and column.primary_key and reference.references(column))
        found.append(
            Pair(
                column,
                reference,
                _key(prop, source, column),
                None if target is None else _key(prop, target, reference),
                both_keys and target is not None,
            )
        )
    return tuple(found)


def _key(prop: Any, mapper: Any, column: Any) -> str:
    found = mapper.prop_of_column.get(column)
    if found is None:
        raise UnmappedColumnError(
            f"Relationship {prop} is written through the column {column}, which {mapper.class_.__name__} does not map; "
            f"map it, or mark the relationship viewonly=True",
            column=column,
            mapper=mapper,
        )
    return str(found.key)


def populate(uow: Any, pairs: Iterable[Pair], source: Any, target: Any, by_database: bool = False) -> None:
    """Make ``target`` refer to ``source``.

    :param by_database: the database passes a changed key on by itself; the row has it already.
    """
    source_dict = source().__dict__
    target_dict = target().__dict__
    for pair in pairs:
        value = source_dict.get(pair.source_key, NO_VALUE)
        if value is NO_VALUE:
            value = source.manager[pair.source_key].impl.get(source, source_dict, PASSIVE_OFF)
        key = str(pair.target_key)
        impl = target.manager[key].impl
        if target.ident is None and not impl.listened:
            target_dict[key] = value
        else:
            impl.set(target, target_dict, value, None)
        if by_database and pair.cascades:
            uow.cascaded.add((target, key))


def clear(pairs: Iterable[Pair], target: Any, prop: Any) -> None:
    """Make ``target`` refer to nothing.

    :raises AssertionError: if the foreign key is part of its primary key.
    SQL: a SELECT of the row of an object that has expired, where a part of its primary key is to be cleared.
    """
    dict_ = target().__dict__
    for pair in pairs:
        key = str(pair.target_key)
        impl = target.manager[key].impl
        value = impl.get(target, dict_, PASSIVE_OFF) if pair.target.primary_key else None
        if value is not None and value is not NO_VALUE:
            raise AssertionError(
                f"The {target.class_.__name__} object has lost its {prop}, but the foreign key {pair.target} is part "
                f"of its primary key and cannot be emptied; delete the object too (cascade='all, delete-orphan')"
            )
        impl.set(target, dict_, None, None)


def values_now(pairs: Iterable[Pair], source: Any, row: dict[str, Any], names: Iterable[str]) -> None:
    """Put the referenced values of an object into an association row."""
    dict_ = source().__dict__
    for pair, name in zip(pairs, names, strict=True):
        row[name] = source.manager[pair.source_key].impl.get(source, dict_, PASSIVE_OFF)


def values_before(pairs: Iterable[Pair], source: Any, row: dict[str, Any], names: Iterable[str]) -> None:
    """Put the referenced values into an association row, as they were before this flush."""
    dict_ = source().__dict__
    for pair, name in zip(pairs, names, strict=True):
        impl = source.manager[pair.source_key].impl
        row[name] = impl.get_committed_value(source, dict_, PASSIVE_OFF)


def key_changed(pairs: Iterable[Pair], source: Any) -> bool:
    """Tell whether a referenced value of a persistent object differs from what was loaded."""
    committed = source.committed
    if source.ident is None or not committed:
        return False
    dict_ = source().__dict__
    for pair in pairs:
        old = committed.get(pair.source_key, NO_VALUE)
        if old is NO_VALUE:
            if pair.source_key not in committed or not pair.source.primary_key:
                continue
            positions = source.manager.mapper.pk_keys
            if pair.source_key not in positions:
                continue
            ident = source.ident
            old = ident[positions.index(pair.source_key)] if len(positions) > 1 else ident
        if old is not None and dict_.get(pair.source_key) != old:
            return True
    return False
