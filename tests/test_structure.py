"""The house: small modules, short functions, no import in a circle."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import regraft

SOURCE = Path(regraft.__file__).parent
MODULES = {".".join(("regraft", *f.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): f
           for f in sorted(SOURCE.rglob("*.py"))}  # fmt: skip
TREES = {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in MODULES.items()}


def functions(name: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in TREES[name].body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        for one in inside:
            if isinstance(one, ast.FunctionDef):
                owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
                yield f"{name}.{owner}{one.name}", one


def test_modules_are_small() -> None:
    lines = {name: file.read_text(encoding="utf-8").count("\n") for name, file in MODULES.items()}
    assert {name for name, count in lines.items() if count > 400} == set()
    assert statistics.median(count for count in lines.values() if count) < 120


def test_functions_are_short() -> None:
    long = {where for name in MODULES for where, f in functions(name) if f.end_lineno - f.lineno >= 60}
    assert not long


def test_options_travel_with_their_types() -> None:
    """No function takes or hands on a dict of settings, none reads its own arguments by reflection."""
    taken = {where for name in MODULES for where, f in functions(name) for a in (*f.args.args, *f.args.kwonlyargs)
             if a.arg == "settings" and a.annotation is not None and "dict" in ast.unparse(a.annotation)}  # fmt: skip
    allowed = {"regraft.pipelines.run_folder", "regraft.data.formats.yolo_settings"}
    assert {where for where in taken if not where.startswith(tuple(allowed))} == set()
    source = {name: MODULES[name].read_text(encoding="utf-8") for name in MODULES}
    assert not [name for name, text in source.items() if "locals()" in text or "inspect.signature(" in text]


def test_kinds_are_plugged_in() -> None:
    """A task, a scenario or a method is asked, not told apart: these few places part boxes from labels, say in words
    what an option is for, or take one class an item alone.
    """
    compared = [
        (name, ast.unparse(node)) for name, tree in TREES.items() for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and any(isinstance(getattr(c, "value", None), str) for c in node.comparators)
        and ast.unparse(node.left).rpartition(".")[2] == "task"
    ]  # fmt: skip
    assert len(compared) <= 14, compared
    one_entry = {name for name, tree in TREES.items() for node in ast.walk(tree)
                 if isinstance(node, ast.Call) and ast.unparse(node.func) in ("loops.train", "loop.train")}  # fmt: skip
    assert one_entry == {"regraft.training.trainer"}


def imported(name: str) -> set[str]:
    """What a module imports while it is itself imported."""
    found = set()
    for node in TREES[name].body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{a.name}" if f"{node.module}.{a.name}" in MODULES else node.module
                      for a in node.names}  # fmt: skip
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
    return found & MODULES.keys()


def test_no_module_imports_itself_by_way_of_others() -> None:
    left = {name: imported(name) for name in MODULES}
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in free:
            del left[name]
    assert not left, "what is left imports in a circle"


def public(name: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    return ((where, f) for where, f in functions(name) if not any(p.startswith("_") for p in where.split(".")))


def test_public_functions_have_types() -> None:
    bare = [
        where
        for name in MODULES
        for where, f in public(name)
        if f.returns is None or any(a.annotation is None and a.arg not in ("self", "cls") for a in f.args.args)
    ]
    assert bare == []


PLUGGED_IN = {"plan", "plan_domains", "step", "sniff", "read", "score", "forward", "extra_repr"}
"""What registered modules and layers have by contract: said once, where the contract is."""


def test_everything_public_says_what_it_is() -> None:
    classes = [n for tree in TREES.values() for n in tree.body if isinstance(n, ast.ClassDef)]
    said = {f.name for c in classes for f in c.body if isinstance(f, ast.FunctionDef) and ast.get_docstring(f)}
    silent = []
    for name in MODULES:
        for where, f in public(name):
            owner = where.removeprefix(f"{name}.").partition(".")[0]
            inherited = owner != f.name and f.name in said  # a method of another class tells it
            family = name == "regraft.backbones.blocks"  # one function a family of networks, all of one kind
            if not (ast.get_docstring(f) or f.name in PLUGGED_IN or inherited or family):
                silent.append(where)
    assert silent == []
    unsaid = [c.name for c in classes if not c.name.startswith("_") and not ast.get_docstring(c)]
    assert unsaid == [], "classes"
