"""Two-way relationships: a change on one side makes the matching change on the other.

Wired as attribute listeners, first in line, so that user's listeners find both sides changed in
the documented order.  Next on the way: ``_accel.followers``, which makes them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from session._accel import followers

__all__ = ["wire_backref"]


def wire_backref(attribute: Any, reverse_key: str, uselist: bool) -> None:
    """Let changes of an attribute change the reverse attribute of the related objects.

    :param attribute: the class-bound relationship attribute.
    :param reverse_key: name of the attribute on the related class.
    :param uselist: the attribute itself is a collection.
    """
    on_append, on_set, on_remove = followers.backref_followers(attribute.key, reverse_key, uselist)
    if uselist:
        event.listen(attribute, "append", on_append, own=True)
    else:
        event.listen(attribute, "set", on_set, own=True)
    event.listen(attribute, "remove", on_remove, own=True)
