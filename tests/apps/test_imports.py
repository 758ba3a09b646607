"""The app shows what is stored: it knows the data, the store and the drawings, and no computation."""

import ast
from pathlib import Path

import pytest

APPS = Path(__file__).resolve().parents[2] / "apps"
SOURCES = sorted(APPS.rglob("*.py"))
ALLOWED = ("gaitmb.data", "gaitmb.errors", "gaitmb.io.store", "gaitmb.viz", "gaitmb.workflow")


def imported(source):
    """Modules of gaitmb that a source names in imports, wherever in it they stand."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            # `from gaitmb import viz` names a module after the word import, other froms before it.
            packages = node.module in ("gaitmb", "gaitmb.io")
            names |= (
                {f"{node.module}.{alias.name}" for alias in node.names} if packages else {node.module}
            )
    return {name for name in names if name.partition(".")[0] == "gaitmb"}


def forbidden(source):
    return {
        name
        for name in imported(source)
        if not any(name == module or name.startswith(f"{module}.") for module in ALLOWED)
    }


@pytest.mark.parametrize(
    "line",
    [
        "import gaitmb",
        "from gaitmb import severity",
        "from gaitmb.io import cohorts",
        "def late():\n    import gaitmb.motion.encoder as encoder",
        "from gaitmb.data_of_others import x",
    ],
)
def test_an_import_of_anything_else_is_found(line):
    assert forbidden(line)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(APPS).as_posix())
def test_a_page_imports_data_errors_store_drawings_and_workflow_only(path):
    assert forbidden(path.read_text("utf-8")) == set()


def test_the_pages_are_read():
    assert {"review.py", "stored.py", "walk.py"} <= {path.name for path in SOURCES}
    assert "gaitmb.io.store" in imported((APPS / "review_pages" / "stored.py").read_text("utf-8"))
