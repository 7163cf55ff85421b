"""What listeners are given of a flush."""

from __future__ import annotations

from session.flush.unitofwork import UOWTransaction as UOWTransaction
