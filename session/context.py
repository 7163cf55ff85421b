"""What listeners are given of a load, and statements around other statements."""

from __future__ import annotations

from session.core.from_statement import FromStatement as FromStatement
from session.load.context import QueryContext as QueryContext
