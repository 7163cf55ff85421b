"""The unit of work: gather -> order -> execute -> finish.  Start reading at ``unitofwork.py``."""
