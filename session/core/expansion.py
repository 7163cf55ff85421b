"""The texts of a statement with ``IN`` lists, one for each length of the lists.

Core writes such a text anew for each execution, a name for each value, though nothing but the number of values
decides about it.  A plan keeps what came of it for a few lengths: batches of keys all have the same.

In: a compiled statement.  Out: text and places of values.  Next on the way: ``plan.py``, which fills them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["Expansion", "Expansions", "Place"]

_KEPT = 8
"""Lengths whose texts one plan keeps."""


class Place(NamedTuple):
    """Where the value of one parameter comes from: a value, or with ``element`` one of a list."""

    name: str
    element: int | None
    processor: Callable[[Any], Any] | None


class Expansion(NamedTuple):
    """A text, and its parameters in the driver's order."""

    text: str
    names: tuple[str, ...]
    places: tuple[Place, ...]

    def fill(self, values: Mapping[str, Any]) -> list[Any]:
        """Give the driver's parameters.

        :param values: unprocessed values by name.
        """
        bound = []
        for name, element, processor in self.places:
            value = values[name] if element is None else values[name][element]
            bound.append(value if processor is None else processor(value))
        return bound


class Expansions:
    """Makes the texts of one compiled statement, and keeps those of lengths that come again.

    :param compiled: Core's compilation of a statement whose text depends on its values.
    """

    __slots__ = ("_compiled", "_kept", "_lists")

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._kept: dict[tuple[int, ...], Expansion | None] = {}
        lists = compiled.post_compile_params
        #: names of the lists; ``None`` where more than their lengths decides about the text
        self._lists: list[str] | None = None
        if not compiled.literal_execute_params and all(_is_plain_list(parameter) for parameter in lists):
            self._lists = [compiled.bind_names[parameter] for parameter in lists]

    def of(self, values: dict[str, Any]) -> tuple[Expansion, dict[str, Any]]:
        """Give the text for some values, and the values to fill it with.

        :param values: unprocessed values by name; lists where the statement has ``IN``.
        """
        if self._lists is None:
            return self._expanded(values), values
        for name in self._lists:
            if type(values[name]) is not list:
                values[name] = list(values[name])
        lengths = tuple([len(values[name]) for name in self._lists])
        found = self._kept.get(lengths)
        if found is not None:
            return found, values
        made = self._expanded(dict(values))
        if lengths in self._kept:
            self._kept[lengths] = made
        else:
            # kept when it comes for the second time
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[lengths] = None
        return made, values

    def _expanded(self, values: dict[str, Any]) -> Expansion:
        """Let Core write the text; it takes lists out of ``values`` and puts their elements in, under new names."""
        compiled = self._compiled
        state = compiled._process_parameters_for_postcompile(values)
        processors = {**compiled._bind_processors, **state.processors}
        places: dict[str, Place] = {}
        if self._lists is not None:
            for whole, names in state.parameter_expansion.items():
                for element, name in enumerate(names):
                    places[name] = Place(whole, element, processors.get(name))
        order = state.positiontup if compiled.positional else list(values)
        escaped = compiled.escaped_bind_names or {}
        return Expansion(
            state.statement,
            tuple([escaped.get(name, name) for name in order]),
            tuple([places.get(name) or Place(name, None, processors.get(name)) for name in order]),
        )


def _is_plain_list(parameter: Any) -> bool:
    """Tell whether a parameter stands for single values, each written as one parameter."""
    type_ = parameter.type
    return not (parameter.literal_execute or type_._is_tuple_type or type_._isnull)
