"""Leaks: after many lives of objects, Sessions, engines and classes, no more of anything is there than before."""
