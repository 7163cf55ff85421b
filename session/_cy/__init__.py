"""Landing place of the hot modules built from ``cext/``; nothing is written here by hand.

Import them through ``session._accel``, which picks these or ``session._py``.
"""
