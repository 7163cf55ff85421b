"""An object-relational Session on SQLAlchemy Core: the public API of ``sqlalchemy.orm``, compiled where it is hot.

The public names, and nothing else.
"""

from __future__ import annotations

from session import exc as exc
from session import load as _load
from session._accel import attributes as _attributes
from session._accel import identity as _identity
from session._accel import implementation as implementation
from session._accel import state as _state
from session.constants import MANYTOMANY as MANYTOMANY
from session.constants import MANYTOONE as MANYTOONE
from session.constants import NO_VALUE as NO_VALUE
from session.constants import ONETOMANY as ONETOMANY
from session.constants import LoaderCallableStatus as LoaderCallableStatus
from session.constants import RelationshipDirection as RelationshipDirection
from session.core.from_statement import FromStatement as FromStatement
from session.dynamic import AppenderQuery as AppenderQuery
from session.events import QueryEvents as QueryEvents
from session.events import SessionEvents as SessionEvents
from session.execute_state import ORMExecuteState as ORMExecuteState
from session.execute_state import UserDefinedOption as UserDefinedOption
from session.factory import QueryPropertyDescriptor as QueryPropertyDescriptor
from session.factory import scoped_session as scoped_session
from session.factory import sessionmaker as sessionmaker
from session.flush import unitofwork as _unitofwork
from session.history import History as History
from session.instrument.attribute_state import AttributeState as AttributeState
from session.instrument.attributes import InstrumentedAttribute as InstrumentedAttribute
from session.instrument.attributes import QueryableAttribute as QueryableAttribute
from session.instrument.class_events import InstrumentationEvents as InstrumentationEvents
from session.instrument.comparator import PropComparator as PropComparator
from session.instrument.events import AttributeEvents as AttributeEvents
from session.instrument.events import InstanceEvents as InstanceEvents
from session.instrument.keyed import KeyFuncDict as KeyFuncDict
from session.instrument.keyed import MappedCollection as MappedCollection
from session.instrument.keyed import attribute_keyed_dict as attribute_keyed_dict
from session.instrument.keyed import attribute_mapped_collection as attribute_mapped_collection
from session.instrument.keyed import column_keyed_dict as column_keyed_dict
from session.instrument.keyed import column_mapped_collection as column_mapped_collection
from session.instrument.keyed import keyfunc_mapping as keyfunc_mapping
from session.instrument.keyed import mapped_collection as mapped_collection
from session.instrument.manager import ClassManager as ClassManager
from session.load import context as _context
from session.load.options import Load as Load
from session.load.options import LoaderCriteriaOption as LoaderCriteriaOption
from session.load.options import contains_eager as contains_eager
from session.load.options import defaultload as defaultload
from session.load.options import defer as defer
from session.load.options import immediateload as immediateload
from session.load.options import joinedload as joinedload
from session.load.options import lazyload as lazyload
from session.load.options import load_only as load_only
from session.load.options import noload as noload
from session.load.options import raiseload as raiseload
from session.load.options import selectin_polymorphic as selectin_polymorphic
from session.load.options import selectinload as selectinload
from session.load.options import subqueryload as subqueryload
from session.load.options import undefer as undefer
from session.load.options import undefer_group as undefer_group
from session.load.options import with_expression as with_expression
from session.load.options import with_loader_criteria as with_loader_criteria
from session.lookups import close_all_sessions as close_all_sessions
from session.lookups import make_transient as make_transient
from session.lookups import make_transient_to_detached as make_transient_to_detached
from session.lookups import object_session as object_session
from session.lookups import was_deleted as was_deleted
from session.mapping.aliased import AliasedClass as AliasedClass
from session.mapping.aliased import aliased as aliased
from session.mapping.aliased import with_polymorphic as with_polymorphic
from session.mapping.base import InspectionAttr as InspectionAttr
from session.mapping.base import InspectionAttrExtensionType as InspectionAttrExtensionType
from session.mapping.base import InspectionAttrInfo as InspectionAttrInfo
from session.mapping.base import MapperProperty as MapperProperty
from session.mapping.base import NotExtension as NotExtension
from session.mapping.base import ORMDescriptor as ORMDescriptor
from session.mapping.bundle import Bundle as Bundle
from session.mapping.cascades import CascadeOptions as CascadeOptions
from session.mapping.columns import ColumnProperty as ColumnProperty
from session.mapping.columns import MappedSQLExpression as MappedSQLExpression
from session.mapping.columns import column_property as column_property
from session.mapping.columns import deferred as deferred
from session.mapping.columns import query_expression as query_expression
from session.mapping.composite import Composite as Composite
from session.mapping.composite import CompositeProperty as CompositeProperty
from session.mapping.composite import composite as composite
from session.mapping.configure import clear_mappers as clear_mappers
from session.mapping.configure import configure_mappers as configure_mappers
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
from session.mapping.decorators import reconstructor as reconstructor
from session.mapping.decorators import validates as validates
from session.mapping.entity_join import join as join
from session.mapping.entity_join import outerjoin as outerjoin
from session.mapping.entity_join import with_parent as with_parent
from session.mapping.events import EXT_CONTINUE as EXT_CONTINUE
from session.mapping.events import EXT_SKIP as EXT_SKIP
from session.mapping.events import EXT_STOP as EXT_STOP
from session.mapping.events import MapperEvents as MapperEvents
from session.mapping.events import RegistryEvents as RegistryEvents
from session.mapping.inspect import class_mapper as class_mapper
from session.mapping.inspect import object_mapper as object_mapper
from session.mapping.mapped import DynamicMapped as DynamicMapped
from session.mapping.mapped import Mapped as Mapped
from session.mapping.mapped import SQLORMExpression as SQLORMExpression
from session.mapping.mapped import WriteOnlyMapped as WriteOnlyMapped
from session.mapping.mapped_column import MappedColumn as MappedColumn
from session.mapping.mapped_column import mapped_column as mapped_column
from session.mapping.mapped_column import orm_insert_sentinel as orm_insert_sentinel
from session.mapping.mapper import Mapper as Mapper
from session.mapping.registry import registry as registry
from session.mapping.relationship import Relationship as Relationship
from session.mapping.relationship import RelationshipProperty as RelationshipProperty
from session.mapping.relationship import backref as backref
from session.mapping.relationship import foreign as foreign
from session.mapping.relationship import relationship as relationship
from session.mapping.relationship import remote as remote
from session.mapping.synonym import Synonym as Synonym
from session.mapping.synonym import SynonymProperty as SynonymProperty
from session.mapping.synonym import synonym as synonym
from session.mapping.synonym import synonym_for as synonym_for
from session.mapping.write_only import WriteOnlyCollection as WriteOnlyCollection
from session.query import Query as Query
from session.session import Session as Session
from session.transaction import SessionTransaction as SessionTransaction
from session.transaction import SessionTransactionOrigin as SessionTransactionOrigin

QueryContext = _context.LoadContext
UOWTransaction = _unitofwork.UnitOfWork
IdentityMap = _identity.IdentityMap
InstanceState = _state.InstanceState
AttributeEventToken = _attributes.AttributeEventToken

del _context, _load, _unitofwork, _identity, _state, _attributes
