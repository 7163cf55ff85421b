"""What mapped attributes, options and inspections have in common."""

from __future__ import annotations

from session.constants import MANYTOMANY as MANYTOMANY
from session.constants import MANYTOONE as MANYTOONE
from session.constants import NO_KEY as NO_KEY
from session.constants import NO_VALUE as NO_VALUE
from session.constants import ONETOMANY as ONETOMANY
from session.constants import RelationshipDirection as RelationshipDirection
from session.execute_state import UserDefinedOption as UserDefinedOption
from session.instrument.comparator import PropComparator as PropComparator
from session.load.loader_option import LoaderOption as LoaderOption
from session.mapping.base import InspectionAttr as InspectionAttr
from session.mapping.base import InspectionAttrExtensionType as InspectionAttrExtensionType
from session.mapping.base import InspectionAttrInfo as InspectionAttrInfo
from session.mapping.base import MapperProperty as MapperProperty
from session.mapping.base import NotExtension as NotExtension
from session.mapping.base import ORMDescriptor as ORMDescriptor
from session.mapping.events import EXT_CONTINUE as EXT_CONTINUE
from session.mapping.events import EXT_SKIP as EXT_SKIP
from session.mapping.events import EXT_STOP as EXT_STOP
