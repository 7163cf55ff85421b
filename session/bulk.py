"""Rows written from objects or dictionaries, past the unit of work.

Next on the way: ``load/bulk_methods.py``, which divides them, and ``load/bulk.py``, which emits the SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from session.load import bulk_methods
from session.mapping.inspect import class_mapper
from session.transaction import check_managed

__all__ = ["Bulk"]


class Bulk:
    """The bulk methods of a Session."""

    _flushing: bool
    _flush_scope: Callable[[], Any]

    def bulk_save_objects(
        self,
        objects: Iterable[Any],
        return_defaults: bool = False,
        update_changed_only: bool = True,
        preserve_order: bool = True,
    ) -> None:
        """INSERT or UPDATE rows from objects that do not come into the Session; no relationships, no events.

        :param objects: new objects are inserted, those with identity updated.
        :param return_defaults: put generated primary keys into new objects.
        :param update_changed_only: update changed attributes only, not all.
        :param preserve_order: write in the order given; otherwise by class.
        """
        objects = list(objects)
        self._in_bulk(
            bulk_methods.bulk_save_objects,
            objects,
            return_defaults=return_defaults,
            update_changed_only=update_changed_only,
            preserve_order=preserve_order,
        )

    def bulk_insert_mappings(
        self,
        mapper: Any,
        mappings: Iterable[dict[str, Any]],
        return_defaults: bool = False,
        render_nulls: bool = False,
    ) -> None:
        """INSERT rows from dictionaries by attribute name.

        :param mapper: a mapped class or mapper.
        :param return_defaults: put generated primary keys into the dictionaries.
        :param render_nulls: write ``None`` as NULL, instead of leaving it to the column's default.
        """
        target = class_mapper(mapper)
        self._in_bulk(
            bulk_methods.bulk_insert_mappings,
            target,
            mappings,
            return_defaults=return_defaults,
            render_nulls=render_nulls,
        )

    def bulk_update_mappings(self, mapper: Any, mappings: Iterable[dict[str, Any]]) -> None:
        """UPDATE rows from dictionaries by attribute name, which have the primary keys in them.

        :param mapper: a mapped class or mapper.
        """
        self._in_bulk(bulk_methods.bulk_update_mappings, class_mapper(mapper), mappings)

    def _in_bulk(self, work: Callable[..., None], *args: Any, **keywords: Any) -> None:
        check_managed(self)
        before, self._flushing = self._flushing, True
        try:
            with self._flush_scope():
                work(self, *args, **keywords)
        finally:
            self._flushing = before
