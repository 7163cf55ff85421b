"""One Session for each thread, request or task."""

from __future__ import annotations

from session.factory import QueryPropertyDescriptor as QueryPropertyDescriptor
from session.factory import scoped_session as scoped_session
