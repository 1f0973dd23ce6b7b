"""Packages that break each other, with the reason: pure rules over installed versions.

Each rule was met in the field: `import` fails, a process aborts, or a call is refused. What pip itself can see is not
here: requirements that are not met are found from the packages' own metadata.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from captioner.doctor.advice import Advice, bad, fine, warning

Versions = Mapping[str, str]

GPU_EXTRA = 'pip install "captioner[gpu]" torch==2.11.0 torchaudio==2.11.0'

TORCHCODEC: Mapping[tuple[int, ...], tuple[int, int]] = {
    (0, 1): (2, 5), (0, 2): (2, 6), (0, 3): (2, 7), (0, 4): (2, 7), (0, 5): (2, 7), (0, 6): (2, 8), (0, 7): (2, 8),
    (0, 8): (2, 9), (0, 9): (2, 9), (0, 10): (2, 10), (0, 11): (2, 11),
}  # fmt: skip
"""torchcodec to the torch that it is built for, as far as its makers' table is known here."""

NUMPY_2: Mapping[str, tuple[int, ...]] = {
    "torch": (2, 3), "onnxruntime": (1, 19), "scipy": (1, 13), "opencv-python-headless": (4, 10),
    "opencv-python": (4, 10), "numba": (0, 60),
}  # fmt: skip
"""The first release of each that was built for numpy 2."""

_OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")


def numbers(version: str) -> tuple[int, ...]:
    """`2.11.0+cu130` as (2, 11, 0)."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part[:9]) for part in found[0].split(".")) if found else ()


def local(version: str) -> str:
    """What stands behind the plus: `cu130`, `cpu`; empty where nothing does."""
    return version.partition("+")[2]


@dataclass(frozen=True, slots=True)
class Clash:
    """A rule."""

    name: str
    holds: Callable[[Versions], bool]
    """Whether these versions break."""
    what: Callable[[Versions], str]
    why: str
    command: str | Callable[[Versions], str]
    serious: bool = True
    """False where captioner itself gets by, but trainers or other tools do not."""


def _at(versions: Versions, package: str) -> tuple[int, ...]:
    return numbers(versions.get(package, ""))


def _pair(*packages: str) -> Callable[[Versions], str]:
    return lambda versions: " with ".join(f"{one} {versions[one]}" for one in packages if one in versions)


def _both(versions: Versions, *packages: str) -> bool:
    return all(one in versions for one in packages)


def _old_for_numpy_2(versions: Versions) -> list[str]:
    if _at(versions, "numpy") < (2,):
        return []
    return [one for one, first in NUMPY_2.items() if one in versions and _at(versions, one) < first]


CLASHES = (
    Clash(
        "torch and torchaudio",
        lambda v: _both(v, "torch", "torchaudio") and _at(v, "torch")[:2] != _at(v, "torchaudio")[:2],
        _pair("torch", "torchaudio"),
        "torchaudio's native part is built for one release of torch; with another `import torchaudio` fails, and "
        "pyannote.audio and transformers with it",
        GPU_EXTRA,
    ),
    Clash(
        "torch and torchaudio, builds",
        lambda v: (
            _both(v, "torch", "torchaudio")
            and _at(v, "torch")[:2] == _at(v, "torchaudio")[:2]
            and local(v["torch"]) != local(v["torchaudio"])
            and "cpu" in (local(v["torch"]), local(v["torchaudio"]))
        ),
        _pair("torch", "torchaudio"),
        "one is built for the processor and the other for CUDA: `import torchaudio` fails, and transformers with it",
        "pip install --force-reinstall torch==2.11.0 torchaudio==2.11.0",
    ),
    Clash(
        "torch and torchcodec",
        lambda v: (
            _both(v, "torch", "torchcodec")
            and _at(v, "torchcodec")[:2] in TORCHCODEC
            and TORCHCODEC[_at(v, "torchcodec")[:2]] != _at(v, "torch")[:2]
        ),
        _pair("torch", "torchcodec"),
        "torchcodec is built for one release of torch, and trainers that load sound through it train in silence where "
        "it fails; captioner decodes without it",
        "pip install --upgrade torchcodec",
        serious=False,
    ),
    Clash(
        "PyAV and faster-whisper",
        lambda v: _both(v, "av", "faster-whisper") and _at(v, "av") >= (19,) and _at(v, "faster-whisper") <= (1, 2, 1),
        _pair("av", "faster-whisper"),
        "PyAV 19 dropped an argument that faster-whisper's own reader passes: giving it a file fails",
        'pip install "av>=14,<19"',
    ),
    Clash(
        "numpy 2 and packages built for numpy 1",
        lambda v: bool(_old_for_numpy_2(v)),
        lambda v: f"numpy {v['numpy']} with {', '.join(f'{one} {v[one]}' for one in _old_for_numpy_2(v))}",
        "they were built for numpy 1 and fail on import, or the process dies",
        lambda v: "pip install --upgrade " + " ".join(_old_for_numpy_2(v)),
    ),
    Clash(
        "CTranslate2 and torch's cuDNN 8",
        lambda v: (
            _both(v, "ctranslate2", "torch")
            and _at(v, "ctranslate2") >= (4, 5)
            and _at(v, "torch") < (2, 4)
            and local(v["torch"]) != "cpu"
        ),
        _pair("ctranslate2", "torch"),
        "CTranslate2 from 4.5 needs cuDNN 9 and this torch brings cuDNN 8: the process aborts in the middle of a file",
        GPU_EXTRA,
    ),
    Clash(
        "CTranslate2 before cuDNN 9",
        lambda v: (
            _both(v, "ctranslate2", "torch")
            and _at(v, "ctranslate2") < (4, 5)
            and _at(v, "torch") >= (2, 4)
            and local(v["torch"]) != "cpu"
        ),
        _pair("ctranslate2", "torch"),
        "this CTranslate2 needs cuDNN 8 and torch brings cuDNN 9: the process aborts in the middle of a file",
        'pip install --upgrade "ctranslate2>=4.6,<5"',
    ),
    Clash(
        "pyannote.audio 3 and torchaudio without its old calls",
        lambda v: (
            _both(v, "pyannote-audio", "torchaudio")
            and _at(v, "pyannote-audio") < (4,)
            and _at(v, "torchaudio") >= (2, 9)
        ),
        _pair("pyannote-audio", "torchaudio"),
        "pyannote.audio 3 calls what torchaudio 2.9 removed, so it cannot be imported",
        'pip install --upgrade "pyannote.audio>=4.0.4,<5"',
    ),
    Clash(
        "hf-xet that stalls",
        lambda v: "hf-xet" in v and _at(v, "hf-xet") < (1, 5, 2),
        _pair("hf-xet"),
        "before 1.5.2 downloads through Xet could stall without an end; captioner fetches without it, trainers do not",
        'pip install --upgrade "hf-xet>=1.5.2"',
        serious=False,
    ),
    Clash(
        "two OpenCVs",
        lambda v: sum(one in v for one in _OPENCV) > 1,
        lambda v: " and ".join(f"{one} {v[one]}" for one in _OPENCV if one in v),
        "they share their files: the one installed last wins, and removing one breaks the other",
        "pip uninstall -y " + " ".join(_OPENCV) + " && pip install opencv-python-headless",
        serious=False,
    ),
    Clash(
        "two ONNX Runtimes",
        lambda v: _both(v, "onnxruntime", "onnxruntime-gpu"),
        _pair("onnxruntime", "onnxruntime-gpu"),
        "they share their files: the one installed last wins, and removing one breaks the other",
        "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime",
        serious=False,
    ),
    Clash(
        "webrtcvad without pkg_resources",
        lambda v: "webrtcvad" in v and _at(v, "setuptools") >= (81,),
        _pair("webrtcvad", "setuptools"),
        "the old webrtcvad imports pkg_resources, which setuptools dropped in 81, and it hides webrtcvad-wheels",
        "pip uninstall -y webrtcvad && pip install --force-reinstall --no-deps webrtcvad-wheels",
    ),
)


def check_versions(
    versions: Versions, unmet: tuple[tuple[str, str, str], ...], python: tuple[int, int]
) -> Iterator[Advice]:
    """What breaks together, and whose requirements are not met."""
    found = False
    for clash in CLASHES:
        if clash.holds(versions):
            found = True
            command = clash.command if isinstance(clash.command, str) else clash.command(versions)
            yield (bad if clash.serious else warning)("versions", clash.what(versions), clash.why, command)
    for package, requirement, installed in unmet:
        found = True
        has = f"{installed} is installed" if installed else "that is not installed"
        level = bad if package == "captioner" else warning
        yield level(
            "versions", f"{package} asks for {requirement}, and {has}", "its makers say that it does not work so",
            f'pip install "{requirement}"',
        )  # fmt: skip
    if python >= (3, 13) and "audioop-lts" not in versions:
        found = True
        yield bad(
            "versions", f"Python {python[0]}.{python[1]} without audioop-lts",
            "pydub imports audioop, which Python 3.13 dropped", "pip install audioop-lts",
        )  # fmt: skip
    if not found:
        yield fine("versions", f"none of {len(CLASHES)} known clashes, and every requirement is met")
