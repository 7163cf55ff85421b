"""Mapped attributes by their kinds."""

from __future__ import annotations

from session.mapping.columns import ColumnProperty as ColumnProperty
from session.mapping.columns import MappedSQLExpression as MappedSQLExpression
from session.mapping.composite import Composite as Composite
from session.mapping.composite import CompositeProperty as CompositeProperty
from session.mapping.mapped_column import MappedColumn as MappedColumn
from session.mapping.relationship import Relationship as Relationship
from session.mapping.relationship import RelationshipProperty as RelationshipProperty
from session.mapping.synonym import Synonym as Synonym
from session.mapping.synonym import SynonymProperty as SynonymProperty
from session.mapping.unmapped import UnmappedColumn as UnmappedColumn
