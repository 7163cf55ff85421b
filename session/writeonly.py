"""Collections that are written through the object and read by statements of one's own."""

from __future__ import annotations

from session.mapping.write_only import WriteOnlyCollection as WriteOnlyCollection
