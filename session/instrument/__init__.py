"""Instrumentation of mapped classes: managers, attributes, collections, history, events."""

from __future__ import annotations

from session.instrument.base import (
    instance_dict,
    instance_state,
    is_instrumented,
    manager_of_class,
    opt_instance_state,
)
from session.instrument.manager import ClassManager
from session.instrument.register import (
    finish_class,
    register_attribute,
    register_class,
    register_impl,
    unregister_attribute,
    unregister_class,
)

__all__ = [
    "ClassManager",
    "finish_class",
    "instance_dict",
    "instance_state",
    "is_instrumented",
    "manager_of_class",
    "opt_instance_state",
    "register_attribute",
    "register_class",
    "register_impl",
    "unregister_attribute",
    "unregister_class",
]
