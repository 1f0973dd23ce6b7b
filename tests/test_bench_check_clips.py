"""The independent check finds what is wrong with a clip, and nothing where nothing is."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np
import pytest

BENCH = Path(__file__).parent.parent / "bench"
sys.path.insert(0, str(BENCH))

import check_clips  # noqa: E402

FPS, RATE, FRAMES, START = 25, 48_000, 49, 10
LENGTH = 75
CAPTION = 'ema_voice. Speech: "Hello."'


def pictures() -> list[np.ndarray]:
    """Blocks that differ from picture to picture."""
    chance = np.random.default_rng(3)
    return [np.kron(chance.integers(40, 216, (6, 8), np.uint8), np.ones((16, 16), np.uint8)) for _ in range(LENGTH)]


def sound() -> np.ndarray:
    noise = np.random.default_rng(5).standard_normal(LENGTH * RATE // FPS).astype(np.float32)
    return np.convolve(noise, np.ones(8) / 8, mode="same").astype(np.float32) * 0.2


def encode(path: Path, frames: list[np.ndarray], samples: np.ndarray, codec: str = "aac") -> None:
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "12"})
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        audio = container.add_stream(codec, rate=RATE, layout="stereo")
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.repeat(frame[:, :, None], 3, axis=2), format="rgb24")
            container.mux(video.encode(picture.reformat(format="yuv420p")))
        container.mux(video.encode(None))
        for start in range(0, len(samples), 1024):
            piece = samples[None, start : start + 1024].repeat(2, axis=0)
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="fltp", layout="stereo")
            block.sample_rate, block.pts = RATE, start
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    encode(folder / "take.mp4", pictures(), sound())
    return folder


@pytest.fixture
def raw(tmp_path: Path, source: Path) -> Path:
    (tmp_path / "out" / "clips").mkdir(parents=True)
    (tmp_path / "raw").symlink_to(source)
    return tmp_path


def put(
    folder: Path, *, late: float = 0.0, pictures_late: int = 0, frames: int = FRAMES, samples: int | None = None,
    caption: bytes = CAPTION.encode(), named: int = FRAMES,
) -> Path:  # fmt: skip
    stem = folder / "out" / "clips" / f"take_f{START}n{named}"
    first = round((START / FPS + late) * RATE)
    length = round(FRAMES * RATE / FPS) if samples is None else samples
    first_picture = START + pictures_late
    chosen = pictures()[first_picture : first_picture + frames]
    encode(stem.with_suffix(".mp4"), chosen, sound()[first : first + length])
    stem.with_suffix(".txt").write_bytes(caption)
    return stem


def faults(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    code = check_clips.main([str(folder / "out"), str((folder / "raw").resolve())])
    said = capsys.readouterr().out
    assert code == (0 if said.strip().endswith(", 0 faults") else 1)
    return said


def test_a_true_clip_has_no_fault(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(raw)
    assert faults(raw, capsys) == "1 clips, 1 compared with their source's sound, 0 faults\n"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"late": 0.020}, "sound is +20.0 ms off"),
        ({"late": -0.015}, "sound is -15.0 ms off"),
        ({"pictures_late": 2}, "the picture at 0.400 s is the source's of 0.480 s"),
        ({"frames": FRAMES - 1}, "48 frames, its name says 49"),
        ({"samples": round(FRAMES * RATE / FPS) - 1100}, "samples, wanted 94080"),
        ({"samples": round(FRAMES * RATE / FPS) + 2048}, "samples, wanted 94080"),
        ({"named": 57}, "49 frames, its name says 57"),
        ({"caption": b"\xef\xbb\xbf" + CAPTION.encode()}, "byte order mark"),
        ({"caption": b"one\r\n"}, "not one line"),
        ({"caption": b"one\ntwo\n"}, "not one line"),
        ({"caption": b"\xff\xfe"}, "not UTF-8"),
        ({"caption": b" \n"}, "not one line"),
    ],
)
def test_what_is_wrong_is_said(raw: Path, capsys: pytest.CaptureFixture[str], wrong: dict, says: str) -> None:
    put(raw, **wrong)
    assert says in faults(raw, capsys)


def test_sound_of_another_place_and_strangers(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stem = put(raw)
    encode(stem.with_suffix(".mp4"), pictures()[START : START + FRAMES], sound()[::-1][: round(FRAMES * RATE / FPS)])
    (raw / "out" / "clips" / "notes.json").touch()
    (raw / "out" / "clips" / "latent_x_f0n49.txt").write_text("x")
    said = faults(raw, capsys)
    for part in ("sound is not that of take.mp4", "notes.json: neither", "latent_x_f0n49: .txt is not a pair"):
        assert part in said


def test_nothing_to_check_is_no_success(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_clips.main([str(raw / "out"), str((raw / "raw").resolve())]) == 1
    assert capsys.readouterr().out.startswith("0 clips")
    with pytest.raises(SystemExit, match="no clips/"):
        check_clips.main([str(raw), str((raw / "raw").resolve())])
