"""Where Python keeps no compiled modules, those of heavy packages are kept all the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from captioner.engine import compiled, remote
from captioner.engine.compiled import kept
from captioner.engine.remote import House

NAME = "heavy_package"
PREFIX, DONT = "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One that nobody has compiled, on a machine whose Python keeps nothing."""
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "__init__.py").write_text("made = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kept.cache_clear()
    yield folder
    kept.cache_clear()


def test_modules_that_python_may_not_keep_are_kept_in_our_own_cache(package: Path) -> None:
    found = kept(NAME)
    assert found[DONT] == ""
    assert Path(found[PREFIX]).name == compiled.FOLDER
    assert not Path(found[PREFIX]).is_relative_to(package)


def test_where_the_folder_is_not_ours_to_write_too(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert PREFIX in kept(NAME)


def test_python_is_left_alone_where_it_keeps_them(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept("no_such_package") == {}
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert kept(NAME) == {}, "it will write them"


def test_and_where_they_are_there(package: Path) -> None:
    folder = package / "__pycache__"
    folder.mkdir()
    (folder / f"__init__.{sys.implementation.cache_tag}.pyc").touch()
    assert kept(NAME) == {}


def test_and_where_the_user_says_where_they_go(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    assert kept(NAME) == {}


def test_a_child_process_keeps_what_it_compiles(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DONT, "1")
    place = Path(kept(NAME)[PREFIX])
    monkeypatch.setattr(remote, "kept", lambda: kept(NAME))
    house = House("a model", patience=10.0)
    try:
        assert house.ask("run", None, "tests.errands:imported", (NAME,), 10.0) == 1
    finally:
        house.close()
    assert list(place.rglob(f"{NAME}/__init__*.pyc"))
    assert not (package / "__pycache__").exists()
