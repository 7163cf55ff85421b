"""Random programs, step by step on this package and on ``sqlalchemy.orm``, compared after each step.

``models`` (the mapped classes) -> ``world`` (one library with its database and Session) -> ``steps`` (what a program can
do) -> ``picture`` (all that can be seen of a world) -> ``comparison`` (what of it is promised to be equal) -> ``machine``
(draws the programs).
"""
