"""Finding and loading CUDA's libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from captioner.models import cuda

linux = pytest.mark.skipif(sys.platform != "linux", reason="ELF")

BORROW = """
import ctypes, sys
from captioner.models.cuda import _bridge
try:
    ctypes.CDLL("libcaptionertest.so.12")
    sys.exit("the name is there before")
except OSError:
    pass
ctypes.CDLL("libm.so.6", mode=ctypes.RTLD_GLOBAL)
_bridge("libcaptionertest.so.12", "libm.so.6")
library = ctypes.CDLL("libcaptionertest.so.12")  # by name, as CTranslate2 does
library.cos.restype, library.cos.argtypes = ctypes.c_double, [ctypes.c_double]
print(library.cos(0.0))
"""


@linux
def test_a_shim_gives_one_librarys_functions_under_another_name() -> None:
    done = subprocess.run([sys.executable, "-c", BORROW], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("1.0", "")


@linux
def test_libraries_come_from_the_first_folder_that_has_them_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole, half = tmp_path / "whole", tmp_path / "half"
    for folder, names in ((half, ("libone.so.12",)), (whole, ("libone.so.12", "libtwo.so.12"))):
        folder.mkdir()
        for name in names:
            (folder / name).write_bytes(cuda.shim(name, "libm.so.6"))
    monkeypatch.setattr(cuda, "folders", lambda: iter((tmp_path / "none", half, whole)))
    assert cuda._load(["libone.so.12", "libtwo.so.12"]) == (str(whole / "libone.so.12"), str(whole / "libtwo.so.12"))
    assert cuda._load(["libone.so.12", "libthree.so.12"]) == ()


def test_wheels_of_either_generation_are_looked_into(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for part in ("nvidia/cublas/lib", "nvidia/cu13/lib", "torch/lib"):
        (tmp_path / part).mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    found = list(cuda.folders())
    places = [found.index(tmp_path / part) for part in ("nvidia/cublas/lib", "nvidia/cu13/lib", "torch/lib")]
    assert places == sorted(places)


def test_a_machine_without_a_gpu_is_told_why() -> None:
    found = cuda.ready()
    assert found.usable or found.why
    assert found.usable == bool(found.loaded) or sys.platform == "win32"


@pytest.mark.gpu
def test_ctranslate2_finds_cublas_by_itself_afterwards() -> None:
    code = "from captioner.models import cuda; assert cuda.ready().usable, cuda.ready().why\n"
    code += "import ctypes; assert ctypes.CDLL('libcublas.so.12').cublasCreate_v2"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
