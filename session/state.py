"""The state of mapped instances, as ``inspect()`` gives it."""

from __future__ import annotations

from session._accel import state as _hot
from session.instrument.attribute_state import AttributeState as AttributeState

InstanceState = _hot.InstanceState
