"""Speed and memory as ratios within one run, so that the machine's own speed cancels out.

    python bench/speed.py [--only build,clips,video,length,replay] [--minutes 5,20,60] [--hours 1,5] [--data FOLDER ...]
                          [--json FILE]

build   whole build of twelve audio-only sources of 40 s / sum of its models' own time; share of all measuring
clips   one faster-whisper call a clip / captioner's transcriber over all, fifty clips of 3 to 6 s: same beam, compute
        type, threads and word times; WER of both
video   writing clips / plain PyAV decoding and encoding of the same pictures with the same encoder settings
length  seconds and peak memory per hour of sound, with the models, for several lengths
replay  the same with turns and words replayed from files, for hours

Sources are the sample dataset's own recordings, repeated in another order where length is needed. Every measurement
runs in a process of its own; peak memory is the operating system's figure for that process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "bench"))

RATE = 16_000
MODEL_STAGES = ("vad", "diarizer", "asr", "tagger", "voice")


def measured(code: str, *arguments: str) -> dict[str, Any]:
    """Run `code` in a fresh interpreter; its last line is JSON. Adds wall and CPU seconds and peak memory in MiB."""
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        output = child.stdout.read().decode()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"a measured run failed with {child.returncode}")
    answer: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    answer["wall"] = time.perf_counter() - start
    answer["cpu"] = usage.ru_utime + usage.ru_stime
    answer["peak_mib"] = usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    return answer


BUILD = """
import json, sys, captioner
from captioner.run import Quiet
class Told(Quiet):
    def __init__(self):
        self.said = []
    def say(self, text):
        self.said.append(text)
options, told = json.loads(sys.argv[3]), Told()
summary = captioner.build(sys.argv[1], sys.argv[2], yes=True, trigger="ema_voice", include_doubted=True,
                          reporter=told, **options)
print(json.dumps({"seconds": summary.seconds, "clips": len(summary.written), "said": told.said,
                  "duration": sum(r.duration for r in summary.recordings), "failures": len(summary.failures)}))
"""


def build(folder: Path, out: Path, **options: Any) -> dict[str, Any]:
    return measured(BUILD, str(folder), str(out), json.dumps(options))


def sample_files() -> list[Path]:
    """Recordings of the sample dataset that have sound worth hearing."""
    return sorted(
        path for path in (ROOT / "sample_dataset" / "raw").rglob("*") if path.suffix in (".mp4", ".wav", ".flac")
    )


# -- material ----------------------------------------------------------------------------------------------------------


def sample_waves() -> list[tuple[str, np.ndarray]]:
    """Every recording of the sample dataset: name, float32 (n,) mono 16 kHz."""
    from captioner.media.probe import probe
    from captioner.media.sound import PcmFile, decode_speech

    waves = []
    with tempfile.TemporaryDirectory() as scratch:
        for path in sample_files():
            audio, video = probe(path)
            target = Path(scratch) / "sound.s16"
            decode_speech(path, audio, video, target)
            wave = PcmFile(target)
            waves.append((path.stem, wave.read(0.0, wave.duration)))
    return waves


def write_wav(path: Path, pieces: Sequence[np.ndarray]) -> float:
    """A 16-bit mono WAV of the pieces one after the other, streamed; returns its seconds."""
    import wave

    count = 0
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for piece in pieces:
            file.writeframes((np.clip(piece, -1, 1) * 32767).astype("<i2").tobytes())
            count += len(piece)
    return count / RATE


def long_pieces(seconds: float, seed: int) -> list[np.ndarray]:
    """The sample recordings again and again in shuffled order, cut at exactly `seconds`."""
    chance = random.Random(seed)
    waves = [wave for _, wave in sample_waves()]
    pieces: list[np.ndarray] = []
    left = round(seconds * RATE)
    while left > 0:
        for wave in chance.sample(waves, len(waves)):
            pieces.append(wave[:left])
            left -= len(pieces[-1])
    return pieces


def utterances(folders: Sequence[Path]) -> list[tuple[np.ndarray, str]]:
    """Utterances of 3 to 6 s with their text, cut at the truth's own times; whole files of that length too."""
    import quality_truth  # the same reading of the truth as in the quality bench
    from quality_run import sound_of

    found = []
    for truth in (truth for folder in folders for truth in quality_truth.load(folder)):
        lines = [(start, end, text) for start, end, text in truth.lines or () if 2.8 <= end - start <= 5.8]
        if not lines and not truth.lines and truth.text and 2.9 <= truth.duration <= 6.2:
            lines = [(0.1, truth.duration - 0.1, truth.text)]
        wave = sound_of(truth.path) if lines else np.zeros(0, np.float32)
        for start, end, text in lines:
            found.append((wave[max(0, round((start - 0.1) * RATE)) : round((end + 0.1) * RATE)], text))
    return found


# -- sections ----------------------------------------------------------------------------------------------------------


def bench_build(scratch: Path, _: argparse.Namespace) -> dict[str, Any]:
    folder = scratch / "audio_only"
    folder.mkdir()
    wave = np.concatenate(long_pieces(60 * 8, 5))
    for number, start in enumerate(range(0, len(wave), 40 * RATE)):
        write_wav(folder / f"take{number:02}.wav", [wave[start : start + 40 * RATE]])
    run = build(folder, scratch / "audio_only_dataset")
    models = sum(s for name, s in run["seconds"].items() if name.split()[0] in MODEL_STAGES)
    print(
        f"build   {run['duration']:.0f} s of sound: {run['wall']:.1f} s whole, {models:.1f} s models: "
        f"{run['wall'] / models:.2f}"
    )
    measuring = sum(s for name, s in run["seconds"].items() if name.split()[0] == "voice")
    print(f"        measuring voice, room, quality and voiceprint of every cut: {measuring / run['wall']:.1%} of it")
    print("        " + ", ".join(f"{name} {value:.1f}" for name, value in run["seconds"].items()))
    again = build(folder, scratch / "audio_only_dataset")
    print(f"        again with nothing changed: {sum(again['seconds'].values()):.2f} s")
    return {
        "whole": run["wall"], "models": models, "ratio": run["wall"] / models, "measuring": measuring / run["wall"],
        "again": again["seconds"],
    }  # fmt: skip


CLIPS = """
import json, sys, time, pickle
import numpy as np
how, path, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
clips = pickle.load(open(path, "rb"))
from captioner.models.asr import faster_whisper as backend
from captioner.models.asr.weights import find_weights
if how == "alone":
    from faster_whisper import WhisperModel
    model = WhisperModel(str(find_weights("base")), device="cpu", compute_type="int8", cpu_threads=threads)
    list(model.transcribe(clips[0], beam_size=5, word_timestamps=True, language="en")[0])
    start = time.perf_counter()
    hear = lambda clip: model.transcribe(clip, beam_size=5, word_timestamps=True, language="en")[0]
    texts = [" ".join(segment.text for segment in hear(clip)) for clip in clips]
else:
    from captioner.media.sound import Samples16k
    from captioner.models.protocols import Listening
    from captioner.models.vad import embedded as vad
    from captioner.speech.regions import speech_regions
    ear = vad.load(vad.Options())
    model = backend.load(backend.Options(model="base", threads=threads))
    sounds = [Samples16k(clip) for clip in clips]
    def asked(some):
        found = ear.listen(some)
        return [Listening(sound, speech_regions(heard), "en") for sound, heard in zip(some, found)]
    model.transcribe(asked(sounds[:1]))
    start = time.perf_counter()
    texts = [" ".join(w.text for w in t.words) for t in model.transcribe(asked(sounds))]
print(json.dumps({"took": time.perf_counter() - start, "texts": texts}))
"""


def bench_clips(scratch: Path, given: argparse.Namespace) -> dict[str, Any]:
    import pickle

    from quality_score import Errors, align
    from quality_text import normalise

    found = utterances([ROOT / "sample_dataset", *given.data])
    chance = random.Random(7)
    chosen = (found * 50)[:50] if len(found) < 50 else chance.sample(found, 50)
    path = scratch / "clips.pickle"
    path.write_bytes(pickle.dumps([wave for wave, _ in chosen]))
    rows = {}
    for how in ("alone", "packed"):
        row = rows[how] = measured(CLIPS, how, str(path), str(given.threads))
        pairs = zip(chosen, row["texts"], strict=True)
        errors = sum((align(normalise(text), normalise(said)) for (_, text), said in pairs), Errors())
        row["wer"] = 100 * (errors.rate or 0.0)
    ratio = rows["alone"]["took"] / rows["packed"]["took"]
    seconds = sum(len(wave) for wave, _ in chosen) / RATE
    alone, packed = rows["alone"], rows["packed"]
    print(
        f"clips   50 clips, {seconds:.0f} s, {len(found)} different: {alone['took']:.1f} s alone, "
        f"{packed['took']:.1f} s packed: {ratio:.2f}x; WER {alone['wer']:.1f} and {packed['wer']:.1f} %"
    )
    return {"ratio": ratio, "wer_alone": rows["alone"]["wer"], "wer_packed": rows["packed"]["wer"]}


VIDEO = """
import json, sys, time, av
from fractions import Fraction
start = time.perf_counter()
count = 0
for path in sys.argv[2:]:
    source = av.open(path)
    stream = source.streams.video[0]
    stream.thread_type = "AUTO"
    with av.open(sys.argv[1], "w", format="mp4") as target:
        out = target.add_stream("libx264", rate=25, options={"crf": "16", "preset": "fast"})
        out.width, out.height, out.pix_fmt = stream.width, stream.height, "yuv420p"
        for frame in source.decode(stream):
            frame.pts, frame.time_base = count, Fraction(1, 25)
            count += 1
            target.mux(out.encode(frame))
        target.mux(out.encode())
print(json.dumps({"took": time.perf_counter() - start, "frames": count}))
"""


def bench_video(scratch: Path, _: argparse.Namespace) -> dict[str, Any]:
    folder = scratch / "video"
    folder.mkdir()
    for path in sample_files():
        if path.suffix == ".mp4":
            (folder / path.name).symlink_to(path)
    run = build(folder, scratch / "video_dataset")
    clips = sorted(str(path) for path in (scratch / "video_dataset" / "clips").glob("*.mp4"))
    plain = measured(VIDEO, str(scratch / "plain.mp4"), *clips)
    ratio = run["seconds"]["write"] / plain["took"]
    took = run["seconds"]["write"]
    print(
        f"video   {run['clips']} clips, {plain['frames']} frames: written and checked in {took:.1f} s, "
        f"plain decoding and encoding {plain['took']:.1f} s: {ratio:.2f}"
    )
    return {"ratio": ratio}


def bench_length(scratch: Path, given: argparse.Namespace) -> dict[str, Any]:
    rows = {}
    for minutes in given.minutes:
        folder = scratch / f"length{minutes:g}"
        folder.mkdir()
        duration = write_wav(folder / "take.wav", long_pieces(60 * minutes, 3))
        run = build(folder, scratch / f"length{minutes:g}_dataset")
        per_hour = run["wall"] * 3600 / duration
        rows[minutes] = {"seconds_per_hour": per_hour, "peak_mib": run["peak_mib"], "seconds": run["seconds"]}
        print(f"length  {minutes:g} min: {per_hour:.0f} s an hour of sound, peak {run['peak_mib']:.0f} MiB", flush=True)
    values = [row["seconds_per_hour"] for row in rows.values()]
    print(f"        longest / shortest per hour: {values[-1] / values[0]:.2f}")
    return {str(key): value for key, value in rows.items()}


def bench_replay(scratch: Path, given: argparse.Namespace) -> dict[str, Any]:
    """One short recording is heard by the models; its turns and words, repeated, are replayed for hours."""
    rows = {}
    waves = [wave for _, wave in sample_waves()]
    wave = np.concatenate(waves)
    unit = scratch / "unit"
    unit.mkdir()
    period = write_wav(unit / "take.wav", [wave])
    heard = json.loads(measured(HEAR, str(unit / "take.wav"), str(given.threads))["heard"])
    for hours in given.hours:
        folder = scratch / f"replay{hours:g}"
        folder.mkdir()
        times = int(hours * 3600 / period) + 1
        duration = write_wav(folder / "take.wav", [wave] * times)
        rttm, ctm = scratch / f"take{hours:g}.rttm", scratch / f"take{hours:g}.ctm"
        _replay(rttm, ctm, heard, period, times)
        options = {
            "diarizer": "rttm",
            "diarizer_options": {"path": str(rttm)},
            "asr": "ctm",
            "asr_options": {"path": str(ctm)},
        }  # fmt: skip
        run = build(folder, scratch / f"replay{hours:g}_dataset", **options)
        per_hour = run["wall"] * 3600 / duration
        rows[hours] = {"seconds_per_hour": per_hour, "peak_mib": run["peak_mib"], "seconds": run["seconds"]}
        print(
            f"replay  {hours:g} h: {per_hour:.0f} s an hour of sound, peak {run['peak_mib']:.0f} MiB, "
            f"{run['clips']} clips",
            flush=True,
        )
    values = [row["seconds_per_hour"] for row in rows.values()]
    print(f"        longest / shortest per hour: {values[-1] / values[0]:.2f}")
    return {str(key): value for key, value in rows.items()}


HEAR = """
import json, sys, tempfile
from pathlib import Path
import captioner
from captioner.store import Store
from captioner.types import Diarization, Transcript
with tempfile.TemporaryDirectory() as out:
    captioner.build(sys.argv[1], out, trigger="ema_voice", threads=int(sys.argv[2]))
    with Store(Path(out) / ".captioner") as store:
        stages = dict(store._db.execute("SELECT stage, key FROM results"))
        turns = store.get(stages["diarizer"], Diarization).turns
        words = store.get(stages["asr"], Transcript).words
print(json.dumps({"heard": json.dumps({
    "turns": [[t.span.start, t.span.duration, t.speaker] for t in turns],
    "words": [[w.span.start, w.span.duration, w.text, w.probability] for w in words]})}))
"""


def _replay(rttm: Path, ctm: Path, heard: dict[str, Any], period: float, times: int) -> None:
    with rttm.open("w") as turns, ctm.open("w") as words:
        for number in range(times):
            shift = number * period
            for start, length, speaker in heard["turns"]:
                turns.write(f"SPEAKER take 1 {start + shift:.3f} {length:.3f} <NA> <NA> {speaker} <NA> <NA>\n")
            for start, length, text, probability in heard["words"]:
                words.write(f"take 1 {start + shift:.3f} {length:.3f} {text} {probability}\n")


SECTIONS: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "build": bench_build, "clips": bench_clips, "video": bench_video, "length": bench_length, "replay": bench_replay,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SECTIONS))
    parser.add_argument(
        "--minutes", type=lambda text: [float(part) for part in text.split(",")], default=[5.0, 20.0, 60.0]
    )
    parser.add_argument("--hours", type=lambda text: [float(part) for part in text.split(",")], default=[1.0, 5.0])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="more folders with a manifest, for `clips`")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = {}
    for name in given.only.split(","):
        with tempfile.TemporaryDirectory(prefix="captioner-bench-") as scratch:
            rows[name] = SECTIONS[name](Path(scratch), given)
    rows["own_peak_mib"] = {"value": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
