"""Attributes of mapped classes and what can be done with them by name."""

from __future__ import annotations

from session._accel import attributes as _hot
from session.constants import ATTR_EMPTY as ATTR_EMPTY
from session.constants import ATTR_WAS_SET as ATTR_WAS_SET
from session.constants import CALLABLES_OK as CALLABLES_OK
from session.constants import INIT_OK as INIT_OK
from session.constants import LOAD_AGAINST_COMMITTED as LOAD_AGAINST_COMMITTED
from session.constants import NEVER_SET as NEVER_SET
from session.constants import NO_AUTOFLUSH as NO_AUTOFLUSH
from session.constants import NO_KEY as NO_KEY
from session.constants import NO_RAISE as NO_RAISE
from session.constants import NO_VALUE as NO_VALUE
from session.constants import NON_PERSISTENT_OK as NON_PERSISTENT_OK
from session.constants import PASSIVE_CLASS_MISMATCH as PASSIVE_CLASS_MISMATCH
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
from session.history import History as History
from session.instrument.attributes import InstrumentedAttribute as InstrumentedAttribute
from session.instrument.attributes import QueryableAttribute as QueryableAttribute
from session.instrument.attributes import del_attribute as del_attribute
from session.instrument.attributes import flag_dirty as flag_dirty
from session.instrument.attributes import flag_modified as flag_modified
from session.instrument.attributes import get_attribute as get_attribute
from session.instrument.attributes import get_history as get_history
from session.instrument.attributes import init_collection as init_collection
from session.instrument.attributes import set_attribute as set_attribute
from session.instrument.attributes import set_committed_value as set_committed_value
from session.instrument.base import instance_dict as instance_dict
from session.instrument.base import instance_state as instance_state
from session.instrument.base import is_instrumented as is_instrumented
from session.instrument.base import manager_of_class as manager_of_class
from session.instrument.base import opt_manager_of_class as opt_manager_of_class
from session.mapping.mapped import Mapped as Mapped

AttributeEventToken = _hot.AttributeEventToken
