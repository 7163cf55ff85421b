"""Helpers around mapped classes: keys, aliases, joins."""

from __future__ import annotations

from session.instrument.base import manager_of_class as manager_of_class
from session.instrument.base import opt_manager_of_class as opt_manager_of_class
from session.load.options import LoaderCriteriaOption as LoaderCriteriaOption
from session.lookups import has_identity as has_identity
from session.lookups import object_session as object_session
from session.lookups import was_deleted as was_deleted
from session.mapping.aliased import AliasedClass as AliasedClass
from session.mapping.aliased import AliasedInsp as AliasedInsp
from session.mapping.aliased import aliased as aliased
from session.mapping.aliased import with_polymorphic as with_polymorphic
from session.mapping.base import InspectionAttr as InspectionAttr
from session.mapping.base import MapperProperty as MapperProperty
from session.mapping.base import ORMDescriptor as ORMDescriptor
from session.mapping.bundle import Bundle as Bundle
from session.mapping.bundle import DictBundle as DictBundle
from session.mapping.cascades import CascadeOptions as CascadeOptions
from session.mapping.entity_join import join as join
from session.mapping.entity_join import outerjoin as outerjoin
from session.mapping.entity_join import with_parent as with_parent
from session.mapping.identity import identity_key as identity_key
from session.mapping.inspect import class_mapper as class_mapper
from session.mapping.inspect import object_mapper as object_mapper
from session.mapping.mapped import DynamicMapped as DynamicMapped
from session.mapping.mapped import Mapped as Mapped
from session.mapping.mapped import WriteOnlyMapped as WriteOnlyMapped
from session.mapping.polymorphic_union import polymorphic_union as polymorphic_union
