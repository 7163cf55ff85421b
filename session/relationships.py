"""Relationships between mapped classes."""

from __future__ import annotations

from session.constants import MANYTOMANY as MANYTOMANY
from session.constants import MANYTOONE as MANYTOONE
from session.constants import ONETOMANY as ONETOMANY
from session.constants import RelationshipDirection as RelationshipDirection
from session.mapping.cascades import CascadeOptions as CascadeOptions
from session.mapping.relationship import Relationship as Relationship
from session.mapping.relationship import RelationshipProperty as RelationshipProperty
from session.mapping.relationship import foreign as foreign
from session.mapping.relationship import remote as remote
