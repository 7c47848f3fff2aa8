"""The shape of the source: who imports whom, and what no module may do."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import BOTH, ONCE

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path.relative_to(ROOT) for room in ("mmtrans", "tfrecords", "tools") for path in (ROOT / room).rglob("*.py")
)

#: Rooms from the ground up. A room imports those of lower ranks, and none of its own.
RANKS = (
    {"tfrecords"},
    {"mmtrans.bounds", "mmtrans.recipe", "mmtrans.system"},
    {"mmtrans.config", "mmtrans.decoding", "mmtrans.engine", "mmtrans.layers", "mmtrans.plotting"},
    {"mmtrans.words"},
    {"mmtrans.data", "mmtrans.models", "mmtrans.sources"},
    {"mmtrans.clips", "mmtrans.conversion", "mmtrans.runs", "mmtrans.synthetic"},
    {"mmtrans.evaluation", "mmtrans.training"},
    {"mmtrans.inference"},
    {"mmtrans.grid", "mmtrans.search"},
    {"mmtrans.explore", "mmtrans.report", "mmtrans.text"},
    {"mmtrans.clip", "mmtrans.notebook"},
    {"mmtrans.api", "mmtrans.cli"},
    {"tools"},
)
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}

#: Two wings that meet at the records: neither imports the other.
OFFLINE = {"mmtrans.sources", "mmtrans.clips", "mmtrans.conversion", "mmtrans.synthetic"}
LEARNING = {f"mmtrans.{room}" for room in ("data", "models", "runs", "training", "evaluation", "inference")}
LEARNING |= {f"mmtrans.{room}" for room in ("explore", "grid", "search", "report")}

#: What makes `mmtrans --help` slow.
HEAVY = {"tensorflow", "keras", "keras_tuner", "numpy", "scipy", "sklearn", "h5py", "matplotlib", "pandas", "yaml"}


def tree_of(path):
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def module_name(path):
    return ".".join(part for part in path.with_suffix("").parts if part != "__init__")


def room_of(module):
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "mmtrans" else parts[0]


def imports_of(tree):
    """Our own modules that a module imports, at any depth; `from mmtrans import recipe` is `mmtrans.recipe`."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            if node.module == "mmtrans":
                names += [f"mmtrans.{alias.name}" for alias in node.names]
            else:
                names.append(node.module)
    return [name for name in names if name.split(".")[0] in ("mmtrans", "tfrecords", "tools", "tests")]


def may_import(room, other):
    """Whether a module of one room may import from another. The package `mmtrans` itself holds only the version."""
    if other in ("mmtrans", "mmtrans.__version__", room):
        return True
    if any(room in wing and other in far for wing, far in ((OFFLINE, LEARNING), (LEARNING, OFFLINE))):
        return False
    return RANK[other] < RANK[room]


def violations(room, tree):
    return [name for name in imports_of(tree) if room_of(name) == "tests" or not may_import(room, room_of(name))]


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_point_down(path):
    if path == Path("mmtrans/__init__.py"):
        assert imports_of(tree_of(path)) == []
        return
    room = room_of(module_name(path))
    assert room in RANK, f"{path} is in no known room"
    assert violations(room, tree_of(path)) == []


@pytest.mark.parametrize(
    ("room", "code", "expected"),
    [
        ("mmtrans.layers", "from mmtrans.models.translator import x", ["mmtrans.models.translator"]),
        ("mmtrans.layers", "from mmtrans.decoding import rollout", ["mmtrans.decoding"]),
        ("mmtrans.decoding", "def f():\n    from mmtrans import config", ["mmtrans.config"]),
        ("tfrecords", "import mmtrans.recipe", ["mmtrans.recipe"]),
        ("mmtrans.cli", "import tools.benchmark", ["tools.benchmark"]),
        ("tools", "from tests.segments import x", ["tests.segments"]),
        ("mmtrans.evaluation", "from mmtrans.runs.run import Run\nimport numpy\nfrom mmtrans import __version__", []),
        ("mmtrans.evaluation", "from mmtrans.training.loop import x", ["mmtrans.training.loop"]),
        ("mmtrans.search", "from mmtrans.conversion.convert import x", ["mmtrans.conversion.convert"]),
        ("mmtrans.config", "from mmtrans.recipe import parse", []),
    ],
)
def test_the_import_test_can_fail(room, code, expected):
    assert violations(room, ast.parse(code)) == expected


def cycle_in(graph):
    """Names that import one another in a circle, or nothing.

    Args:
        graph: name → those that it imports.
    """
    state, path = {}, []

    def visit(name):
        state[name] = "open"
        path.append(name)
        for other in sorted(graph.get(name, ())):
            if state.get(other) == "open":
                return [*path[path.index(other) :], other]
            if other not in state and (found := visit(other)):
                return found
        state[name] = "done"
        path.pop()
        return []

    return next((found for name in sorted(graph) if name not in state and (found := visit(name))), [])


def file_graph():
    """Module → our modules that it imports, in functions and for typing too."""
    modules = {module_name(path) for path in SOURCES}
    graph = {}
    for path in SOURCES:
        found = set()
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                submodules = {f"{node.module}.{alias.name}" for alias in node.names} & modules
                found |= submodules or {node.module}
        graph[module_name(path)] = found & modules
    return graph


def test_no_files_import_each_other():
    assert cycle_in(file_graph()) == []


def test_no_packages_import_each_other():
    graph = {}
    for module, others in file_graph().items():
        package = module.rpartition(".")[0]
        graph.setdefault(package, set()).update(other.rpartition(".")[0] for other in others)
    for package, others in graph.items():
        # A package's own files and what lies within it are one room; `test_no_files_import_each_other` looks inside.
        others -= {other for other in others if f"{other}.".startswith(f"{package}.")}
        others -= {other for other in others if f"{package}.".startswith(f"{other}.")}
    assert cycle_in(graph) == []


def test_the_test_of_cycles_can_fail():
    assert cycle_in({"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": set()}) == ["a", "b", "c", "a"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_the_design_names_every_room():
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    rooms = {path.parent for path in SOURCES} - {Path("mmtrans")}
    lines = {room: ast.get_docstring(tree_of(room / "__init__.py")).splitlines()[0] for room in rooms}
    assert [str(room) for room, line in sorted(lines.items()) if f"| `{room}/` | {line} |" not in text] == []


def test_no_folder_is_crowded():
    counts = {str(folder): len(list((ROOT / folder).glob("*.py"))) for folder in {path.parent for path in SOURCES}}
    assert {folder: count for folder, count in counts.items() if count > 20 and folder != "mmtrans/cli"} == {}


#: What runs the content of a file or of a text: YAML with other loaders than the safe one, Keras' models and layers of
#: code, and Python itself. A SavedModel is loaded in one place, which has read it before.
RUNNERS = {"load_model", "from_saved_model", "TFSMLayer", "Lambda", "enable_unsafe_deserialization"}
RUNNERS |= {"unsafe_load", "full_load", "eval", "exec", "run_path", "run_module"}


def forbidden(tree):
    """What no source module may hold: `(line, what)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield node.lineno, "assert"
        elif isinstance(node, ast.ImportFrom) and (node.level or any(alias.name == "*" for alias in node.names)):
            yield node.lineno, "import * or relative import"
        elif isinstance(node, ast.ImportFrom) and node.module == "pickle":
            yield node.lineno, "from pickle import"
        elif isinstance(node, ast.ExceptHandler):
            kinds = ast.walk(node.type) if node.type else [ast.Name("BaseException")]
            if any(isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException") for kind in kinds):
                yield node.lineno, "broad except"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "pickle" and node.attr in ("load", "loads"):
                yield node.lineno, "pickle.load"
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            yield node.lineno, "allow_pickle"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in RUNNERS:
            yield node.lineno, ast.unparse(node.func)


#: Modules that catch `Exception`, since a library that they call raises nothing else; and since a defect in one task is
#: the failure of that task alone, with its traceback in the log.
CATCHERS = {"mmtrans/words/pieces.py", "mmtrans/engine/answers.py"}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_nothing_forbidden(path):
    found = [what for _, what in forbidden(tree_of(path))]
    assert found == ["broad except"] * (path.as_posix() in CATCHERS)


@pytest.mark.parametrize(
    "code",
    [
        "assert x",
        "from os import *",
        "from . import x",
        "from pickle import loads",
        "try:\n    f()\nexcept:\n    pass",
        "try:\n    f()\nexcept (ValueError, Exception):\n    pass",
        "import pickle\npickle.load(f)",
        "np.load(f, allow_pickle=True)",
        "keras.models.load_model(f)",
        "keras.layers.Lambda(f)",
        "yaml.unsafe_load(f)",
        "exec(f)",
    ],
)
def test_the_forbidden_test_can_fail(code):
    assert len(list(forbidden(ast.parse(code)))) == 1


#: Modules that print otherwise than by `mmtrans.system.console`, which shows what a stranger's text would do to a
#: terminal.
PRINTERS = {"mmtrans/system/console.py", "mmtrans/cli/main.py", "mmtrans/cli/launcher.py"}


def printed(tree):
    """Lines that print, or make a console of rich, past `mmtrans.system.console`."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.stdout.write", "sys.stderr.write")
        ) or (isinstance(node, ast.ImportFrom) and node.module in ("rich", "rich.console", "rich.markup")):
            yield node.lineno


@pytest.mark.parametrize("path", [path for path in SOURCES if path.parts[0] != "tools"], ids=str)
def test_text_for_people_goes_by_the_console(path):
    assert path.as_posix() in PRINTERS or list(printed(tree_of(path))) == []


@pytest.mark.parametrize("code", ["print(1)", "sys.stderr.write('x')", "from rich.console import Console"])
def test_the_console_test_can_fail(code):
    assert list(printed(ast.parse(code))) == [1]


def unsafe_loads(tree):
    """Lines that load YAML or a SavedModel as they come."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [node.lineno for node in calls if ast.unparse(node.func) in ("yaml.load", "tf.saved_model.load")]


def test_a_saved_model_is_loaded_in_one_place():
    assert [str(path) for path in SOURCES if unsafe_loads(tree_of(path))] == ["mmtrans/inference/opening.py"]


def test_names_of_modules_say_what_is_inside():
    assert [str(path) for path in SOURCES if path.stem in ("utils", "util", "common", "base", "helpers", "misc")] == []


def test_the_command_line_starts_without_heavy_imports():
    code = "import json, sys\nimport mmtrans.cli.main as m\nm.build_parser()\nprint(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = {name.split(".")[0] for name in json.loads(result.stdout)}
    assert "mmtrans" in loaded
    assert loaded & HEAVY == set()


def test_help_of_every_command_needs_no_tensorflow():
    code = (
        "import json, sys\nimport mmtrans.cli.main as m\n"
        "for command in m.COMMANDS:\n    m.build_parser(command)\nprint(json.dumps(sorted(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = {name.split(".")[0] for name in json.loads(result.stdout)}
    assert loaded & {"tensorflow", "keras", "sklearn", "matplotlib"} == set()


@pytest.mark.parametrize("top", ["mmtrans", "tfrecords", "tools", "tests"])
def test_every_folder_with_modules_is_a_package(top):
    folders = {path.parent for path in (ROOT / top).rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_what_one_lane_leaves_out_is_there():
    assert [place for place in ONCE + BOTH if not (ROOT / "tests" / place).exists()] == []
    assert [place for place in BOTH if not {path.as_posix() for path in Path(place).parents} & set(ONCE)] == []
