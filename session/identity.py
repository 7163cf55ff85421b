"""The identity map of a Session."""

from __future__ import annotations

from session._accel import identity as _hot

IdentityMap = _hot.IdentityMap
WeakInstanceDict = _hot.IdentityMap
