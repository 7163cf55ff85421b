"""Identity keys: under which key an identity map holds an object."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import ArgumentError

from session.mapping.inspect import class_mapper, object_mapper

__all__ = ["identity_key"]


def identity_key(
    class_: Any = None,
    ident: Any = None,
    *,
    instance: Any = None,
    row: Any = None,
    identity_token: Any = None,
) -> tuple[Any, ...]:
    """Return an identity key ``(class, primary key tuple, token)``.

    :param class_: the mapped class, with ``ident`` or ``row``.
    :param ident: the primary key: one value, or a tuple of several.
    :param instance: an object; its attributes tell the key.
    :param row: a row of a result that has the primary key columns.
    :param identity_token: tells apart equal keys, of several databases for example.
    :raises sqlalchemy.exc.ArgumentError: if not exactly one of ``ident``, ``instance``, ``row`` is given.
    """
    if class_ is not None:
        mapper = class_mapper(class_)
        if row is None:
            if ident is None:
                raise ArgumentError(f"identity_key({mapper.class_.__name__}) needs ident or row")
            values = tuple(ident) if isinstance(ident, (tuple, list)) else (ident,)
            return mapper.identity_key_from_primary_key(values, identity_token)  # type: ignore[no-any-return]
        return mapper.identity_key_from_row(row, identity_token)  # type: ignore[no-any-return]
    if instance is None:
        raise ArgumentError("identity_key() needs a class with ident or row, or an instance")
    mapper = object_mapper(instance)
    return mapper.identity_key_from_instance(instance)  # type: ignore[no-any-return]
