"""Imports go downwards in the house only, and the pure rooms touch no file, clock, network or model."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "captioner"

ORDER = """
errors times scripts measures types formats speech cuts captions decisions settings media models jsonlines toldtable
rowtable cliptables store journal reviewlog summary captionfiles templates_io tokenizing adopt backends ports reading
stages identify drafting rowmaking planning shaping measuring identities judging describing captioning naming making
writing ahead turnfiles forecast flow pipeline rendering engine trainers checks report progress run enrolment
speakerlist speakercommands review speakercli reviewcli checkcli exporting exportcli fetchcli doctor doctorcli cli
__main__
""".split()  # noqa: SIM905  one name a word reads best
"""From the bottom of the house to the top: a room may import those before it."""

PURE = {"errors", "times", "scripts", "measures", "types", "formats", "speech", "cuts", "captions", "decisions"}
FORBIDDEN = {
    "os", "pathlib", "io", "socket", "time", "datetime", "random", "subprocess", "sqlite3", "tempfile", "shutil",
    "urllib", "http", "av", "cv2", "onnxruntime", "ctranslate2", "faster_whisper", "torch", "pydub", "logging",
    "httpx2",
}  # fmt: skip
HEAVY = {
    "numpy", "av", "cv2", "onnxruntime", "ctranslate2", "faster_whisper", "torch", "scipy", "scenedetect", "rich",
    "httpx2",
}  # fmt: skip


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path, *, late: bool = True) -> set[str]:
    """Full names of what a file imports; with `late` False, only at its top level and not for type checking."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree)) if late else [node for node in tree.body if not isinstance(node, ast.If)]
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            if node.module == "captioner":
                names |= {f"captioner.{alias.name}" for alias in node.names if not alias.name.startswith("__")}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if here == "__init__":
        return  # the public face may reach anything, late
    assert here in ORDER, f"{here} has no place in the house: add it to ORDER"
    for name in imported(path):
        if name.startswith("captioner."):
            other = room(name)
            assert ORDER.index(other) <= ORDER.index(here), f"{here} imports {other}, which stands above it"


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_rooms_touch_nothing(name: str) -> None:
    files = [PACKAGE / f"{name}.py"] if (PACKAGE / f"{name}.py").exists() else sorted((PACKAGE / name).rglob("*.py"))
    for path in files:
        outside = {imported_name.split(".")[0] for imported_name in imported(path)} & FORBIDDEN
        assert not outside, f"{path.relative_to(PACKAGE)} is pure and imports {', '.join(sorted(outside))}"
        calls = [
            node.func.id
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
        assert not {"open", "print", "input", "exec", "eval"} & set(calls), path


@pytest.mark.parametrize(
    "name",
    ["__init__", "cli", "settings", "run", "progress", "errors", "summary", "types", "times", "measures", "scripts"],
)
def test_nothing_heavy_is_imported_early(name: str) -> None:
    early = {module.split(".")[0] for module in imported(PACKAGE / f"{name}.py", late=False)}
    assert not early & HEAVY
