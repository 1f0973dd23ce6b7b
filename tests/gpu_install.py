"""`pip install captioner[gpu]` in a clean environment, then an import of everything: what a person does first on a
rented GPU, and what broken pins spoil. Then, there, the tests that need torch: what runs on a GPU runs on a CPU, too.

    python tests/gpu_install.py [--keep FOLDER] [--no-tests]

Downloads some 3 GB and needs 8 GB of disk; 10 to 30 minutes. --keep leaves the environment in FOLDER.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CHECK = """
import importlib, pkgutil, sys, warnings

warnings.simplefilter("error", UserWarning)
import captioner

seen = 0
for found in pkgutil.walk_packages(captioner.__path__, "captioner."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
        seen += 1
print(seen, "modules of captioner")
heavy = sorted({"torch", "transformers", "pyannote.audio", "torchcodec"} & set(sys.modules))
assert not heavy, f"imported before anybody asked: {heavy}"

from captioner.models.diarizer import pipelines

audio = pipelines.library()
assert "torchcodec" not in sys.modules
warnings.simplefilter("default", UserWarning)
import av, ctranslate2, faster_whisper, onnxruntime, torch, torchaudio, transformers
from faster_whisper.audio import decode_audio
from transformers import ASTForAudioClassification, WhisperForConditionalGeneration

release = lambda module: module.__version__.split("+")[0].rsplit(".", 1)[0]
assert release(torch) == release(torchaudio), (torch.__version__, torchaudio.__version__)
torchaudio.functional.forced_align  # kept where all else of its input and output went
assert len(decode_audio(sys.argv[1])) > 16000, "PyAV and faster-whisper do not fit"
for module in (torch, torchaudio, transformers, audio, faster_whisper, ctranslate2, av, onnxruntime):
    print(module.__name__, module.__version__)
"""


def run(*command: str | Path) -> None:
    print("+", *command, flush=True)
    subprocess.run([str(part) for part in command], check=True)


def tested(folder: Path) -> None:
    """The contracts of all backends, and every file of tests that speaks of torch. Raises CalledProcessError."""
    python = programs(folder) / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{ROOT}[gpu,offline,test]")
    tests = [
        path for path in sorted((ROOT / "tests").rglob("test_*.py")) if "torch" in path.read_text(encoding="utf-8")
    ]
    subprocess.run(
        [str(python), "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *map(str, tests)],
        check=True, cwd=ROOT,
    )  # fmt: skip


def programs(folder: Path) -> Path:
    return folder / ("Scripts" if sys.platform == "win32" else "bin")


def installed(folder: Path) -> None:
    """The environment in `folder`, and everything imported in it. Raises CalledProcessError."""
    venv.create(folder, with_pip=True, clear=True)
    python = programs(folder) / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{ROOT}[gpu]")
    run(python, "-m", "pip", "check")
    run(programs(folder) / "captioner", "--help")
    sound = ROOT / "sample_dataset" / "raw" / "public-domain-and-bsd" / "table.wav"
    # Elsewhere, so that it is the installed package that is imported.
    subprocess.run([str(python), "-c", CHECK, str(sound)], check=True, cwd=folder)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--no-tests", action="store_true")
    asked = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="captioner-gpu-") as scratch:
            folder = asked.keep or Path(scratch)
            installed(folder)
            if not asked.no_tests:
                tested(folder)
    except subprocess.CalledProcessError as error:
        print(f"FAILED: {error.cmd[0]} ended with {error.returncode}")
        return 1
    print("the gpu extra installs and imports" + ("" if asked.no_tests else ", and what needs torch passes its tests"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
