"""Checks every written clip against its source, with PyAV and none of captioner's code.

    python bench/check_clips.py OUT RAW [--fps RATE]

OUT is a dataset (its `clips/` is read), RAW the file or folder it was made from. A clip's name says the first frame and
how many: `<slug>_f<start>n<frames>`. Checked are the number of frames and that they come at one constant rate from 0;
H.264, yuv420p, sides that are multiples of 32; one stereo stream at 48 kHz that starts at 0 and holds as many samples
as the frames last (AAC may run over by less than one codec frame); that the sound is the source's at that place, to
10 ms, and the first and last picture are the source's at their times; that a caption is one line of UTF-8 without a
byte order mark; and that nothing but pairs is there. `--fps` is for datasets of sound alone; their rate is in no file.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

sys.path.insert(0, str(Path(__file__).resolve().parent))

from clip_sources import HEAR, MEDIA, Source, cropped, hear, shown, small, source_of

CLIP_RATE = 48_000
AAC_FRAME = 1024
SYNC = 0.010
"""Seconds by which sound may be off."""
REACH = 0.5
"""Seconds around its place in which a clip's sound and pictures are looked for."""
NAME = re.compile(r"(?P<slug>.+)_f(?P<start>\d+)n(?P<frames>\d+)")


def captions(folder: Path) -> Iterator[str]:
    """What is wrong with the folder and the captions in it."""
    stems: dict[str, set[str]] = {}
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.suffix not in (".mp4", ".wav", ".txt"):
            yield f"{path.name}: neither clip nor caption"
            continue
        stems.setdefault(path.stem, set()).add(path.suffix)
    for stem, suffixes in stems.items():
        if ".txt" not in suffixes or len(suffixes) != 2:
            yield f"{stem}: {', '.join(sorted(suffixes))} is not a pair"
        if not stem.isascii() or stem.startswith("latent_") or not NAME.fullmatch(stem):
            yield f"{stem}: not a name of a clip"
    for path in sorted(folder.glob("*.txt")):
        data = path.read_bytes()
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            yield f"{path.name}: not UTF-8"
            continue
        if data.startswith(b"\xef\xbb\xbf"):
            yield f"{path.name}: begins with a byte order mark"
        if "\r" in text or "\n" in text.removesuffix("\n") or not text.strip():
            yield f"{path.name}: not one line"


def picture_faults(
    path: Path, frames: int
) -> tuple[list[str], Fraction | None, list[NDArray[np.float32]], tuple[int, int]]:
    """Faults of a clip's pictures; its rate; its first and last picture; its size."""
    faults = []
    ends: list[NDArray[np.float32]] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate, size = stream.average_rate, (stream.width, stream.height)
        if (stream.codec_context.name, stream.codec_context.pix_fmt) != ("h264", "yuv420p"):
            faults.append(f"{stream.codec_context.name} {stream.codec_context.pix_fmt} is not H.264 yuv420p")
        if size[0] % 32 or size[1] % 32:
            faults.append(f"{size[0]}x{size[1]}: not multiples of 32")
        times = []
        for frame in container.decode(stream):
            times.append(frame.pts * frame.time_base)
            grey, _ = shown(frame)
            ends = [ends[0], small(grey)] if ends else [small(grey)]
            if getattr(frame, "rotation", 0):
                faults.append("carries a rotation")
    if len(times) != frames:
        faults.append(f"{len(times)} frames, its name says {frames}")
    if rate is None or any(time != index / rate for index, time in enumerate(times)):
        faults.append("frames do not come at one rate from 0")
    return faults, rate, ends, size


def sound_faults(path: Path, frames: int, rate: Fraction) -> tuple[list[str], NDArray[np.float32]]:
    """Faults of a clip's sound, and the sound."""
    faults = []
    wanted = round(Fraction(frames) * CLIP_RATE / rate)
    with av.open(str(path)) as container:
        streams = container.streams.audio
        if len(streams) != 1:
            return [f"{len(streams)} sound streams"], np.zeros(0, np.float32)
        stream = streams[0]
        if (stream.rate, stream.channels) != (CLIP_RATE, 2):
            faults.append(f"{stream.rate} Hz, {stream.channels} channels; not 48 kHz stereo")
        decoded, first = 0, None
        for frame in container.decode(stream):
            first = frame.time if first is None else first
            decoded += frame.samples
        over = AAC_FRAME if stream.codec_context.name == "aac" else 1
    if first is None or abs(first) > 1 / CLIP_RATE:
        faults.append(f"sound starts at {first} s")
    if not wanted <= decoded < wanted + over:
        faults.append(f"{decoded} samples, wanted {wanted}")
    with av.open(str(path)) as container:
        return faults, hear(container, 0.0)[: round(Fraction(frames) * HEAR / rate)]


def lag(clip: NDArray[np.float32], source: NDArray[np.float32], at: float) -> tuple[float, float] | None:
    """Seconds by which the clip's sound comes later in the source than `at`, and how alike the two are (0 to 1).

    None where there is too little sound to tell."""
    if len(clip) < HEAR // 10 or float(np.sqrt((clip.astype(np.float64) ** 2).mean())) < 1e-4:
        return None
    reach = round(REACH * HEAR)
    first = round(at * HEAR) - reach
    wide = np.zeros(len(clip) + 2 * reach)
    begin, end = max(0, first), min(len(source), first + len(wide))
    if end > begin:
        wide[begin - first : end - first] = source[begin:end]
    clip64 = clip.astype(np.float64) - float(clip.mean())
    products = fftconvolve(wide, clip64[::-1], mode="valid")
    energy = np.cumsum(np.concatenate([[0.0], wide**2]))
    norms = np.sqrt(np.maximum(energy[len(clip) :] - energy[: -len(clip)], 1e-9) * (clip64**2).sum())
    alike = products / norms
    best = int(alike.argmax())
    # Of places that are as good (a hum repeats itself), the nearest counts.
    good = np.flatnonzero(alike >= alike[best] - 0.002)
    best = int(good[np.abs(good - reach).argmin()])
    return (best - reach) / HEAR, float(alike[best])


def picture_off(clip: NDArray[np.float32], source: Source, at: float, step: float, size: tuple[int, int]) -> str | None:
    """What is wrong where another of the source's pictures is clearly more like the clip's than those of its time."""
    near = np.flatnonzero(np.abs(source.times - at) <= REACH)
    if not len(near):
        return f"the source has no picture at {at:.3f} s"
    differences = {int(i): float(((cropped(source.pictures[i], source.shape, size) - clip) ** 2).mean()) for i in near}
    current = max(0, int(np.searchsorted(source.times, at + 0.001, side="right")) - 1)
    allowed = {current} | {i for i in differences if abs(source.times[i] - at) <= step / 2 + 0.001}
    here = min(differences.get(i, 9e9) for i in allowed)
    best = min(differences, key=lambda i: differences[i])
    if here > 1.5 * differences[best] + 0.002:
        return f"the picture at {at:.3f} s is the source's of {source.times[best]:.3f} s"
    return f"the picture at {at:.3f} s is not in the source there" if here > 0.5 else None


def check(
    path: Path, sources: Sequence[Path], default_rate: Fraction | None
) -> tuple[list[str], Fraction | None, bool]:
    """Faults of one clip, its rate, and whether its sound could be compared."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return [], None, False  # said already, by `captions`
    start, frames = int(match["start"]), int(match["frames"])
    faults: list[str] = []
    rate, ends, size = default_rate, [], (0, 0)
    if path.suffix == ".mp4":
        faults, rate, ends, size = picture_faults(path, frames)
    if rate is None:
        return [*faults, "no rate; give --fps"], None, False
    more, sound = sound_faults(path, frames, rate)
    faults += more
    at = float(start / rate)
    found = [(lag(sound, source_of(one).sound, at), source_of(one)) for one in candidates(match["slug"], sources)]
    heard = [(offset, source) for offset, source in found if offset is not None]
    if not found:
        return [*faults, "no source is called like it"], rate, False
    source = max(heard, key=lambda pair: pair[0][1])[1] if heard else found[0][1]
    if heard:
        late, alike = max((offset for offset, _ in heard), key=lambda offset: offset[1])
        if abs(late) > SYNC:
            faults.append(f"sound is {late * 1000:+.1f} ms off in {source.path.name}")
        if alike < 0.9:
            faults.append(f"sound is not that of {source.path.name} (alike {alike:.2f})")
    if at + frames / rate > max(len(source.sound) / HEAR, (source.times[-1] if len(source.times) else 0.0)) + 0.1:
        faults.append("goes beyond the source's end")
    if ends and len(source.times):
        last = float((start + frames - 1) / rate)
        for place, picture in ((at, ends[0]), (last, ends[-1])):
            wrong = picture_off(picture, source, place, float(1 / rate), size)
            faults += [wrong] if wrong else []
    return faults, rate, bool(heard)


def candidates(slug: str, sources: Sequence[Path]) -> list[Path]:
    """The sources that a clip may come from: those called alike, else all."""
    plain: Callable[[str], str] = lambda name: re.sub(r"[^a-z0-9]", "", name.lower())  # noqa: E731
    alike = [path for path in sources if plain(path.stem) and plain(path.stem) in plain(slug)]
    return alike or list(sources)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("raw", type=Path, nargs="+")
    parser.add_argument("--fps", type=Fraction, help="frames a second of a dataset of sound alone")
    given = parser.parse_args(arguments)
    folder = given.out / "clips"
    found = (path for raw in given.raw for path in ([raw] if raw.is_file() else sorted(raw.rglob("*"))))
    sources = [path for path in found if path.suffix.lower() in MEDIA]
    if not folder.is_dir() or not sources:
        raise SystemExit(f"{given.out}: no clips/ there, or no media in {', '.join(map(str, given.raw))}")
    faults = list(captions(folder))
    clips = sorted(folder.glob("*.mp4")) + sorted(folder.glob("*.wav"))
    rates: set[Fraction] = set()
    compared = 0
    for clip in clips:
        wrong, rate, heard = check(clip, sources, given.fps or next(iter(rates), None))
        rates |= {rate} if rate else set()
        compared += heard
        faults += [f"{clip.name}: {fault}" for fault in wrong]
    if len(rates) > 1:
        faults.append(f"clips of several rates: {', '.join(map(str, sorted(rates)))}")
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{len(clips)} clips, {compared} compared with their source's sound, {len(faults)} faults")
    return 1 if faults or not clips else 0


if __name__ == "__main__":
    sys.exit(main())
