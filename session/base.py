"""Constants, and the state and mapper of an object."""

from __future__ import annotations

from session.constants import CALLABLES_OK as CALLABLES_OK
from session.constants import INIT_OK as INIT_OK
from session.constants import LOAD_AGAINST_COMMITTED as LOAD_AGAINST_COMMITTED
from session.constants import MANYTOMANY as MANYTOMANY
from session.constants import MANYTOONE as MANYTOONE
from session.constants import NEVER_SET as NEVER_SET
from session.constants import NO_AUTOFLUSH as NO_AUTOFLUSH
from session.constants import NO_KEY as NO_KEY
from session.constants import NO_RAISE as NO_RAISE
from session.constants import NO_VALUE as NO_VALUE
from session.constants import NON_PERSISTENT_OK as NON_PERSISTENT_OK
from session.constants import ONETOMANY as ONETOMANY
from session.constants import PASSIVE_NO_FETCH as PASSIVE_NO_FETCH
from session.constants import PASSIVE_NO_FETCH_RELATED as PASSIVE_NO_FETCH_RELATED
from session.constants import PASSIVE_NO_INITIALIZE as PASSIVE_NO_INITIALIZE
from session.constants import PASSIVE_NO_RESULT as PASSIVE_NO_RESULT
from session.constants import PASSIVE_OFF as PASSIVE_OFF
from session.constants import PASSIVE_ONLY_PERSISTENT as PASSIVE_ONLY_PERSISTENT
from session.constants import PASSIVE_RETURN_NO_VALUE as PASSIVE_RETURN_NO_VALUE
from session.constants import RELATED_OBJECT_OK as RELATED_OBJECT_OK
from session.constants import SQL_OK as SQL_OK
from session.constants import LoaderCallableStatus as LoaderCallableStatus
from session.constants import PassiveFlag as PassiveFlag
from session.constants import RelationshipDirection as RelationshipDirection
from session.instrument.base import instance_dict as instance_dict
from session.instrument.base import instance_state as instance_state
from session.instrument.base import manager_of_class as manager_of_class
from session.mapping.base import InspectionAttr as InspectionAttr
from session.mapping.base import InspectionAttrExtensionType as InspectionAttrExtensionType
from session.mapping.base import InspectionAttrInfo as InspectionAttrInfo
from session.mapping.base import NotExtension as NotExtension
from session.mapping.base import ORMDescriptor as ORMDescriptor
from session.mapping.events import EXT_CONTINUE as EXT_CONTINUE
from session.mapping.events import EXT_SKIP as EXT_SKIP
from session.mapping.events import EXT_STOP as EXT_STOP
from session.mapping.inspect import class_mapper as class_mapper
from session.mapping.inspect import object_mapper as object_mapper
from session.mapping.mapped import DynamicMapped as DynamicMapped
from session.mapping.mapped import Mapped as Mapped
from session.mapping.mapped import SQLORMExpression as SQLORMExpression
from session.mapping.mapped import WriteOnlyMapped as WriteOnlyMapped
