"""Relationships that have no value, whatever the database says.

The objects of a statement get ``None`` or an empty collection with their rows.  Where the mapping says so, what is
missing later, after an expiry of the attribute, is read as empty, too; where an option says so, it is loaded then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from session._accel import pairings
from session.constants import INSTANCE_STATE
from session.load.strategies_lazy import compile_late, loader_for
from session.load.strategies_selectin import set_scalar
from session.mapping.strategies import register

__all__ = ["NoLoad", "NoLoadStrategy"]


@register("relationship", "noload")
class NoLoadStrategy:
    """The attribute is empty from the start.

    :param prop: the relationship.
    """

    def __init__(self, prop: Any) -> None:
        self.prop = prop

    def attribute_loader(self) -> Any:
        """Objects that did not come by a statement are read as empty."""
        return loader_for(self.prop, "noload")

    def compile(self, build: Any, part: Any, mapper: Any, directive: Any, available: bool) -> None:
        """Select nothing, and note what follows the rows."""
        compile_late(self.prop, part, self.prop.strategy)
        part.post = NoLoad(self.prop)


class NoLoad:
    """One relationship, to be left empty in the objects of a statement.

    :param prop: the relationship.
    """

    def __init__(self, prop: Any) -> None:
        self.prop = prop

    def run(self, context: Any, parents: Sequence[Any]) -> None:
        """Give the empty value to all parents that have none."""
        prop = self.prop
        key = prop.key
        for parent in parents:
            dict_ = parent.__dict__
            if key in dict_:
                continue
            committed = dict_[INSTANCE_STATE].committed
            if committed is not None and key in committed:
                continue
            if prop.uselist:
                pairings.set_collection(parent, key, [])
            else:
                set_scalar(parent, key, None)
