"""An atlas of the real world, kept and questioned with `session`: `python -m examples.atlas --help`.

Read on in this order: `orm.py` chooses the ORM, `models.py` maps, `sources.py` reads, `loading.py` fills,
`questions.py` asks, `changes.py` changes, `story.py` tells it all, `__main__.py` is the command line.
"""
