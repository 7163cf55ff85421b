"""The shape of the source: which module may import what, and what the hot modules come in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from session import _accel

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "session"

#: A module imports its own layer and those above it here; the names are modules or packages of ``session``.
#: Two that stand in one row are siblings: neither imports the other.
LAYERS: list[tuple[str, ...]] = [
    ("exc",),
    ("constants",),
    ("heard",),
    ("history",),
    ("_py", "_cy"),
    ("_accel",),
    ("core",),
    ("instrument",),
    ("mapping",),
    ("flush", "load"),
    ("binds", "snapshot", "state_changes", "execute_state", "lookups", "merge", "merge_results", "query_clauses"),
    ("query", "statements", "expiry", "lifecycle"),
    ("dynamic", "writeonly"),
    ("transaction",),
    ("bulk",),
    ("sessions",),
    ("factory",),
    ("events", "attributes", "collections", "identity", "instrumentation", "loading", "older_names", "state", "util"),
    ("base", "context", "decl_api", "descriptor_props", "interfaces", "mapper", "properties", "relationships"),
    ("scoping", "session", "strategy_options", "unitofwork"),
    ("ext",),
    ("legacy",),
    ("__init__",),
]


@dataclass
class Source:
    """A module of the package, read and not run."""

    path: Path
    tree: ast.Module = field(init=False)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.tree = ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))
        parts = ("session", *self.path.relative_to(PACKAGE).with_suffix("").parts)
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def __str__(self) -> str:
        return self.name

    @property
    def layer(self) -> str:
        return layer_of(self.name)

    def imports(self, types_too: bool = False) -> Iterator[tuple[int, str, str | None]]:
        """``(line, module, name)`` of each import, the name ``None`` in ``import module``.

        :param types_too: also those under ``if TYPE_CHECKING``, which nobody runs.
        """
        for node in self._walk(types_too):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node.lineno, alias.name, None
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    yield node.lineno, self._absolute(node), alias.name

    def imported_modules(self) -> Iterator[tuple[int, str]]:
        """``(line, module)`` of each module of ``session`` that is imported when this one is run."""
        for line, module, name in self.imports():
            if module.split(".")[0] == "session":
                full = f"{module}.{name}"
                yield line, full if name and is_module(full) else module

    def _walk(self, types_too: bool) -> Iterator[ast.AST]:
        todo: list[ast.AST] = [self.tree]
        while todo:
            node = todo.pop()
            yield node
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not types_too:
                todo += node.orelse
            else:
                todo += ast.iter_child_nodes(node)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.path.name == "__init__.py" else self.name.split(".")[:-1]
        base = package[: len(package) - node.level + 1]
        return ".".join([*base, node.module] if node.module else base)


def layer_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


SOURCES = [Source(path) for path in sorted(PACKAGE.rglob("*.py"))]
PYX = sorted((ROOT / "cext").glob("*.px[di]")) + sorted((ROOT / "cext").glob("*.pyx"))
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}

each_source = pytest.mark.parametrize("source", SOURCES, ids=str)
each_pyx = pytest.mark.parametrize("path", PYX, ids=lambda path: path.name)


def test_each_hot_module_comes_in_both_forms_and_stands_in_the_list() -> None:
    written = {path.stem for path in (PACKAGE / "_py").glob("*.py")} - {"__init__"}
    compiled = {path.stem for path in (ROOT / "cext").glob("*.pyx")}
    pending = set(getattr(_accel, "_PENDING", ()))
    assert len(set(_accel.HOT_MODULES)) == len(_accel.HOT_MODULES)
    assert compiled == set(_accel.HOT_MODULES)
    assert written - pending == set(_accel.HOT_MODULES)


def test_the_landing_place_holds_nothing_written_by_hand() -> None:
    assert [path.name for path in (PACKAGE / "_cy").glob("*.py")] == ["__init__.py"]
    assert list((PACKAGE / "_cy").glob("*.c")) == []
    assert list((ROOT / "cext").glob("*.c")) == []
    assert not (ROOT / "cext" / "__init__.py").exists()


@each_source
def test_imports_point_one_way(source: Source) -> None:
    assert source.layer in RANK, f"{source.name} is in no layer: give it a row in LAYERS"
    wrong = [
        f"line {line}: {module}"
        for line, module in source.imported_modules()
        if layer_of(module) != source.layer and RANK[layer_of(module)] >= RANK[source.layer]
    ]
    assert not wrong, f"{source.name} imports what stands beside or below it: {wrong}"


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {source.name: {module for _, module in source.imported_modules()} for source in SOURCES}
    # `from session.core.plan import x` runs session.core first, but that is a hand-on and no dependency.
    for start in graph:
        todo, seen = list(graph[start]), set()
        while todo:
            at = todo.pop()
            if at not in seen:
                seen.add(at)
                todo += graph.get(at, ())
        assert start not in seen, f"{start} is imported by something that it imports"


@each_source
def test_no_import_stands_inside_a_function(source: Source) -> None:
    late = [
        inner.lineno
        for outer in ast.walk(source.tree)
        if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for inner in ast.walk(outer)
        if isinstance(inner, (ast.Import, ast.ImportFrom))
        or (isinstance(inner, ast.Call) and ast.unparse(inner.func).split(".")[-1] in ("__import__", "import_module"))
    ]
    if source.name == "session._accel":
        assert "import_module" in ast.unparse(source.tree), "it chooses while it runs, and need not be excused any more"
        return
    assert not late, f"{source.name}, lines {late}"


@each_source
def test_nobody_imports_the_other_orm(source: Source) -> None:
    wrong = [
        f"line {line}: {module}"
        for line, module, name in source.imports(types_too=True)
        if f"{module}.{name}.".startswith("sqlalchemy.orm.") or f"{module}.".startswith("sqlalchemy.orm.")
    ]
    assert not wrong, source.name


@each_source
def test_only_accel_chooses_between_the_implementations(source: Source) -> None:
    if source.layer in ("_py", "_cy", "_accel"):
        return
    wrong = [
        f"line {line}: {module}"
        for line, module, name in source.imports(types_too=True)
        if re.match(r"session\._(py|cy)\b", f"{module}.{name}")
    ]
    assert not wrong, f"{source.name} imports past session._accel: {wrong}"


@each_source
def test_only_core_touches_private_names_of_sqlalchemy(source: Source) -> None:
    if source.layer == "core":
        return
    wrong = []
    from_sqlalchemy = set()
    for line, module, name in source.imports():
        if module.split(".")[0] != "sqlalchemy":
            continue
        if any(is_private(part) for part in [*module.split("."), name or ""]):
            wrong.append(f"line {line}: {module} {name or ''}")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names = [alias.asname or alias.name.split(".")[0] for alias in node.names if is_sqlalchemy(alias.name)]
            from_sqlalchemy.update(names)
        elif isinstance(node, ast.ImportFrom) and not node.level and is_sqlalchemy(node.module or ""):
            from_sqlalchemy.update(alias.asname or alias.name for alias in node.names)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            base: ast.expr = node
            while isinstance(base, ast.Attribute):
                base = base.value
            if isinstance(base, ast.Name) and base.id in from_sqlalchemy:
                wrong.append(f"line {node.lineno}: {ast.unparse(node)}")
    assert not wrong, f"{source.name}: {wrong}"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def is_sqlalchemy(module: str) -> bool:
    return module.split(".")[0] == "sqlalchemy"


@pytest.mark.parametrize("source", [source for source in SOURCES if source.path.name == "__init__.py"], ids=str)
def test_an_init_only_hands_names_on(source: Source) -> None:
    for number, node in enumerate(source.tree.body):
        if number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if all(isinstance(target, ast.Name) and re.fullmatch(r"__\w+__", target.id) for target in targets):
            continue
        pytest.fail(f"{source.name}, line {node.lineno}: {ast.unparse(node)[:60]}")


@each_source
def test_a_module_opens_with_a_docstring(source: Source) -> None:
    assert ast.get_docstring(source.tree), source.name


@each_pyx
def test_compiled_modules_follow_the_same_rules(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^\s*(from|import|cimport)\s+sqlalchemy\.orm\b", text, re.M)
    assert not re.search(r"^\s*from\s+sqlalchemy\s+import\s+.*\borm\b", text, re.M)
    assert not re.search(r"^[ \t]+(from[ \t]+\S+[ \t]+import|import)\s", text, re.M), "an import inside a function"
    layers = {layer_of(module) for module in re.findall(r"^(?:from|import)\s+(session\.\S+)", text, re.M)}
    wrong = {layer for layer in layers if RANK[layer] > RANK["_cy"]}
    assert not wrong, f"{path.name} imports what stands below it: {wrong}"


@each_pyx
def test_a_compiled_module_has_the_public_names_of_its_twin(path: Path) -> None:
    if path.suffix != ".pyx":
        return
    twin = (PACKAGE / "_py" / f"{path.stem}.py").read_text(encoding="utf-8")
    assert public_names(path.read_text(encoding="utf-8")) == public_names(twin)


def public_names(text: str) -> list[str]:
    """What ``__all__`` says in the source of a module."""
    found = re.search(r"^__all__(?:: [^=]+)? = ([\[(].*?[\])])", text, re.M | re.S)
    assert found, "it has no __all__"
    return sorted(ast.literal_eval(found.group(1)))
