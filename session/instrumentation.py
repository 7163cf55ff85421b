"""Instrumentation of classes: the manager of a class, and whether an attribute is instrumented."""

from __future__ import annotations

from session.instrument.base import is_instrumented as is_instrumented
from session.instrument.base import manager_of_class as manager_of_class
from session.instrument.manager import ClassManager as ClassManager
