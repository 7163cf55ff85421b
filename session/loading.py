"""Results that come back from a cache."""

from __future__ import annotations

from session.merge_results import merge_frozen_result as merge_frozen_result
from session.merge_results import merge_result as merge_result
