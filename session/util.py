"""Helpers around mapped classes: keys, aliases, joins."""

from __future__ import annotations

from session.lookups import object_session as object_session
from session.lookups import was_deleted as was_deleted
from session.mapping.aliased import AliasedClass as AliasedClass
from session.mapping.aliased import AliasedInsp as AliasedInsp
from session.mapping.aliased import aliased as aliased
from session.mapping.aliased import with_polymorphic as with_polymorphic
from session.mapping.bundle import Bundle as Bundle
from session.mapping.cascades import CascadeOptions as CascadeOptions
from session.mapping.entity_join import join as join
from session.mapping.entity_join import outerjoin as outerjoin
from session.mapping.entity_join import with_parent as with_parent
from session.mapping.identity import identity_key as identity_key
from session.mapping.inspect import class_mapper as class_mapper
from session.mapping.inspect import object_mapper as object_mapper
