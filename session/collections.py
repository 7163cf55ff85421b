"""Collections of mapped objects: the classes, and the decorators for classes of one's own."""

from __future__ import annotations

from session.instrument.collections import CollectionAdapter as CollectionAdapter
from session.instrument.collections import InstrumentedDict as InstrumentedDict
from session.instrument.collections import InstrumentedList as InstrumentedList
from session.instrument.collections import InstrumentedSet as InstrumentedSet
from session.instrument.collections import collection as collection
from session.instrument.collections import collection_adapter as collection_adapter
from session.instrument.collections import prepare_instrumentation as prepare_instrumentation
from session.instrument.keyed import KeyFuncDict as KeyFuncDict
from session.instrument.keyed import MappedCollection as MappedCollection
from session.instrument.keyed import attribute_keyed_dict as attribute_keyed_dict
from session.instrument.keyed import attribute_mapped_collection as attribute_mapped_collection
from session.instrument.keyed import column_keyed_dict as column_keyed_dict
from session.instrument.keyed import column_mapped_collection as column_mapped_collection
from session.instrument.keyed import keyfunc_mapping as keyfunc_mapping
from session.instrument.keyed import mapped_collection as mapped_collection
