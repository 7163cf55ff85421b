"""Declarative mapping."""

from __future__ import annotations

from session.mapping.declarative import DeclarativeBase as DeclarativeBase
from session.mapping.declarative import DeclarativeBaseNoMeta as DeclarativeBaseNoMeta
from session.mapping.declarative import DeclarativeMeta as DeclarativeMeta
from session.mapping.declarative import MappedAsDataclass as MappedAsDataclass
from session.mapping.declarative import add_mapped_attribute as add_mapped_attribute
from session.mapping.declarative import as_declarative as as_declarative
from session.mapping.declarative import declarative_base as declarative_base
from session.mapping.declarative import declared_attr as declared_attr
from session.mapping.declarative import has_inherited_table as has_inherited_table
from session.mapping.declarative import mapped_as_dataclass as mapped_as_dataclass
from session.mapping.declarative import unmapped_dataclass as unmapped_dataclass
from session.mapping.declarative_meta import DeclarativeAttributeIntercept as DeclarativeAttributeIntercept
from session.mapping.registry import registry as registry
from session.mapping.synonym import synonym_for as synonym_for
from session.older_names import declarative_mixin as declarative_mixin
