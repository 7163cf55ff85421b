"""The hot modules in Python: the reference, the fallback, and PyPy's version.

Import them through ``session._accel``, which picks these or their compiled twins.
"""
