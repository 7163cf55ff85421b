"""Relationships that are loaded right after their parents, one parent at a time.

What is in the Session needs no SQL, so this suits many-to-one relationships to few targets.
Next on the way: ``load/strategies_lazy.py``, whose loader does the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from session.constants import (
    ATTR_EMPTY,
    ATTR_WAS_SET,
    INSTANCE_STATE,
    NO_AUTOFLUSH,
    NO_VALUE,
    PASSIVE_NO_RESULT,
    PASSIVE_OFF,
)
from session.load.going_on import was_taken_out
from session.load.strategies_lazy import compile_late, loader_for
from session.load.strategies_selectin import ends_here
from session.mapping.strategies import factories, register

__all__ = ["ImmediateLoad", "ImmediateStrategy"]


@register("relationship", "immediate")
class ImmediateStrategy:
    """The related objects are loaded by the lazy loader, without being asked for.

    :param prop: the relationship.
    """

    def __init__(self, prop: Any) -> None:
        self.prop = prop

    def attribute_loader(self) -> Any:
        """Objects that were not loaded by a query with eager loads load when the attribute is read."""
        return factories["relationship", "select"](self.prop).attribute_loader()

    def compile(self, build: Any, part: Any, mapper: Any, directive: Any, available: bool) -> None:
        """Note the load that follows the rows."""
        if ends_here(build, self.prop, directive):
            compile_late(self.prop, part, "select")
            return
        part.reset = True
        depth = None if directive is None else directive.params.get("recursion_depth")
        part.post = ImmediateLoad(self.prop, depth or 0, build.path)


class ImmediateLoad:
    """One relationship, to be loaded for each object of a statement.

    :param prop: the relationship.
    :param recursion_depth: how many levels more to load; -1 for all.
    :param path: where the parents stand.
    """

    def __init__(self, prop: Any, recursion_depth: int, path: Any) -> None:
        self.prop = prop
        self.recursion_depth = recursion_depth
        self.path = path

    def run(self, context: Any, parents: Sequence[Any]) -> None:
        """Load the relationship for all parents that do not have it."""
        key = self.prop.key
        load = loader_for(self.prop, "select")
        # what the children have is theirs to keep: they are loaded as if they were read
        options = {name: value for name, value in context.options_handed_on().items() if name != "populate_existing"}
        depth = self.recursion_depth
        waiting = list(parents)
        while waiting:
            children: list[Any] = []
            for parent in waiting:
                dict_ = parent.__dict__
                if key in dict_:
                    continue
                state = dict_[INSTANCE_STATE]
                if was_taken_out(state, key):
                    continue
                if state.load_path is None:
                    state.load_path = self.path
                value = load(state, PASSIVE_OFF | NO_AUTOFLUSH, options)
                if value is PASSIVE_NO_RESULT or value is NO_VALUE or value is ATTR_WAS_SET:
                    continue
                impl = state.manager[key].impl
                if value is ATTR_EMPTY:
                    value = [] if impl.collection else None
                if key not in dict_:
                    impl.set_committed_value(state, dict_, value)
                if depth:
                    children.extend(value if impl.collection else () if value is None else (value,))
            if not depth:
                return
            depth -= 1
            waiting = children
