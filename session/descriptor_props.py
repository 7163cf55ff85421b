"""Mapped attributes that stand for others."""

from __future__ import annotations

from session.mapping.composite import Composite as Composite
from session.mapping.composite import CompositeProperty as CompositeProperty
from session.mapping.properties import NotImplementedHere as ConcreteInheritedProperty
from session.mapping.synonym import Synonym as Synonym
from session.mapping.synonym import SynonymProperty as SynonymProperty

__all__ = ["Composite", "CompositeProperty", "ConcreteInheritedProperty", "Synonym", "SynonymProperty"]
