"""Which events anybody has ever listened to.

Nothing is imported from the package here.  Looking into the ``dispatch`` of a Session, mapper or class costs as much
as two calls, and most programs listen to few events or none, so whoever calls listeners asks here first.
"""

from __future__ import annotations

__all__ = ["heard"]

heard: set[str] = set()
"""Names of the events of Sessions, mappers and instances that have had a listener, on whatever target; they stay when
it is removed."""
