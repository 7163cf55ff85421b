"""Builds the hot modules: ``cext/<name>.pyx`` becomes ``session._cy.<name>``.

The environment variable ``SESSION_PURE_PYTHON`` says what to do about them:

* unset (or empty): build them if that works, else install without, and say so;
* ``1``: do not build them; the wheel is ``py3-none-any``;
* ``0``: build them or fail.

Everything else about the project stands in ``pyproject.toml``.
"""

import os
import platform
import shutil
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

WISH = os.environ.get("SESSION_PURE_PYTHON", "")
PYPY = platform.python_implementation() == "PyPy"
CEXT = Path("cext")
GENERATED = Path("build", "cython")


class BuildHotModules(build_ext):
    """Translates and compiles, and gives up on all of them when one fails."""

    def run(self):
        if WISH == "0":
            self._build()
            return
        try:
            self._build()
        except (Exception, SystemExit) as error:  # whatever stands in a compiler's way
            self._install_pure(error)

    def build_extension(self, ext):
        from Cython.Build import cythonize  # a build requirement; the pure install does without

        [translated] = cythonize(
            [Extension(ext.name, ext.sources)],
            build_dir=str(GENERATED),
            include_path=[str(GENERATED / "include")],
            compiler_directives={"language_level": 3, "binding": False, "embedsignature": False},
        )
        ext.sources = translated.sources
        super().build_extension(ext)

    def _build(self):
        # Extensions find each other's declarations under the name of the package that they will be in.
        declarations = GENERATED / "include" / "session" / "_cy"
        declarations.mkdir(parents=True, exist_ok=True)
        for package in (declarations.parent, declarations):
            (package / "__init__.pxd").touch()
        for source in CEXT.glob("*.pxd"):
            shutil.copy2(source, declarations / source.name)
        super().run()

    def _install_pure(self, error):
        for extension in self.extensions or []:
            Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
        self.extensions = []
        self.distribution.ext_modules[:] = []
        print(
            f"\n{'*' * 78}\n"
            f"The compiled modules of session could not be built:\n    {type(error).__name__}: {error}\n"
            f"The installation goes on with the pure Python ones: same behaviour, slower.\n"
            f"SESSION_PURE_PYTHON=0 makes this an error, SESSION_PURE_PYTHON=1 says it is meant.\n"
            f"{'*' * 78}\n",
            file=sys.stderr,
        )


def hot_modules():
    """The extensions to build; none in a pure build."""
    if WISH not in ("", "0", "1"):
        raise SystemExit(f"SESSION_PURE_PYTHON is {WISH!r}; it can be unset, 0 (compiled required) or 1 (pure)")
    if WISH == "0" and PYPY:
        raise SystemExit("SESSION_PURE_PYTHON=0 requires the compiled modules, but PyPy runs the pure ones")
    if WISH == "1" or PYPY:
        return []
    return [Extension(f"session._cy.{path.stem}", [str(path)]) for path in sorted(CEXT.glob("*.pyx"))]


setup(ext_modules=hot_modules(), cmdclass={"build_ext": BuildHotModules})
