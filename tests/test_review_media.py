"""What is drawn and heard of a clip: the samples and frames that writing would take."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from chromium import wait
from clips import cut, film, record
from factory import Audio, Video, make, noise, read_index, shown_index
from hypothesis import given
from hypothesis import strategies as st

from captioner.media.clipfile import digest
from captioner.media.cutting import ClipSpec, write_clips
from captioner.review import drawing, mediamaking
from captioner.review.media import Media, wait_for
from captioner.review.mediakeep import Keep
from captioner.review.mediaworker import Worker
from captioner.review.source import ClipSound, Film, Look, Piece, Pixels, Trouble
from captioner.store import Store, pack

LONG = 12


def piece(path: Path, start: int, frames: int) -> Piece:
    recording = record(path)
    return Piece(recording, None, cut(recording, start, frames))


def heard(worker: Worker, one: Piece) -> ClipSound:
    answer = worker.answer({"do": "sound", "piece": pack(one.bare()), "box": (0, 0)})
    assert isinstance(answer, ClipSound)
    return answer


def looked(worker: Worker, one: Piece, box: tuple[int, int] = (96, 96)) -> Look:
    answer = worker.answer({"do": "look", "piece": pack(one.bare()), "box": box})
    assert isinstance(answer, Look)
    return answer


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    (tmp_path / "store").mkdir(exist_ok=True)
    return Worker(tmp_path / "store")


def source(folder: Path, kind: str) -> Path:
    """Twelve seconds of noise; with pictures that carry their number, where the kind has any."""
    rate = 44_100 if "44" in kind else 48_000
    sides = [noise(LONG, rate, 0.3, seed=seed) for seed in range(6 if "six" in kind else 2)]
    audio = Audio(np.stack(sides, axis=1), rate)
    suffix = kind.split()[-1]
    video = None if suffix in (".wav", ".mp3", ".flac") else Video(frames=25 * LONG)
    return make(folder / f"film{suffix}", video, audio)


CUTS = ((200, 65), (3, 41), (203, 65), (40, 25), (0, 300), (241, 33))
"""Not in order: a reviewer goes back and forth, and edges are moved."""


@pytest.mark.parametrize("kind", [".mp4", "44 .mp4", "44 .wav", "six .mkv", ".mkv", ".mp3", ".flac", ".ts"])
def test_what_plays_is_what_is_written(tmp_path: Path, worker: Worker, kind: str) -> None:
    path = source(tmp_path, kind)
    pieces = [piece(path, start, frames) for start, frames in CUTS]
    spec = ClipSpec(preset="ultrafast")
    for one in pieces:
        (written,) = write_clips(one.recording, None, [one.cut], spec, tmp_path / "clips")
        sound = heard(worker, one)
        assert digest(mediamaking.samples_of(sound)) == written.proof.digest
        assert sound.duration == pytest.approx(one.duration, abs=1 / 48_000)


@pytest.mark.parametrize("kind", ["44 .wav", ".flac"])
def test_a_jump_gives_the_same_samples(tmp_path: Path, kind: str) -> None:
    path = source(tmp_path, kind)
    one = piece(path, 230, 65)
    forwards = mediamaking.Listener(one.recording).hear(one)
    jumped = mediamaking.Listener(one.recording).jump(one)
    assert jumped is not None
    assert jumped.part(0, jumped.duration) == forwards.part(0, forwards.duration)


@pytest.mark.parametrize("kind", [".mp4", "44 .wav", ".ts"])
def test_a_clip_that_is_known_sounds_the_same_again(
    tmp_path: Path, worker: Worker, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("captioner.review.mediaworker._NEAR", 0)
    path = source(tmp_path, kind)
    first = heard(worker, piece(path, 230, 65))
    heard(worker, piece(path, 20, 65))
    again = heard(worker, piece(path, 230, 65))
    assert again.part(0, again.duration) == first.part(0, first.duration)


def test_a_jump_that_lands_wrong_is_not_believed(
    tmp_path: Path, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captioner.review.mediaworker._NEAR", 0)
    one, other = piece(source(tmp_path, ".mp4"), 200, 65), piece(tmp_path / "film.mp4", 20, 65)
    true = heard(worker, one)
    heard(worker, other)
    asked = []

    def jump(self: mediamaking.Listener, wanted: Piece) -> ClipSound:
        asked.append(wanted)
        return ClipSound(bytes(len(true.pcm)), true.before, true.count, true.after)

    monkeypatch.setattr(mediamaking.Listener, "jump", jump)
    assert heard(worker, one) == true
    assert asked


def test_around_a_clip_is_the_recording(tmp_path: Path, worker: Worker) -> None:
    path = source(tmp_path, ".wav")
    inner, outer = heard(worker, piece(path, 100, 50)), heard(worker, piece(path, 75, 100))
    assert inner.part(-1.0, 3.0) == outer.part(0.0, 4.0)
    first = heard(worker, piece(path, 0, 50))
    assert not any(first.part(-1.0, 0.0)), "before the recording there is silence"


@pytest.mark.parametrize("kind", [".mp4", ".ts"])
def test_pictures_are_the_frames_at_a_tenth_a_half_and_nine_tenths(tmp_path: Path, worker: Worker, kind: str) -> None:
    path = source(tmp_path, kind)
    for start, frames in ((100, 41), (3, 25), (250, 50)):
        look = looked(worker, piece(path, start, frames))
        pixels = [np.frombuffer(one.tobytes(), dtype=np.uint8).reshape(one.shape) for one in look.pictures]
        wanted = [start + int(frames * place) for place in (0.1, 0.5, 0.9)]
        assert [read_index(one) for one in pixels] == wanted


@pytest.mark.parametrize("box", [(24, 14), (40, 8), (10, 60), (3, 2)])
def test_pictures_fit_their_box_and_keep_their_shape(tmp_path: Path, worker: Worker, box: tuple[int, int]) -> None:
    path = film(tmp_path, Video(frames=50, size=(320, 192)))
    for one in looked(worker, piece(path, 0, 25), box).pictures:
        assert one.width <= box[0]
        assert one.height <= max(2, box[1])
        assert one.height % 2 == 0, "two rows of pixels make a row of cells"
        assert len(one.tobytes()) == 3 * one.width * one.height
    assert one.width == box[0] or one.height >= box[1] - 1


def test_the_waveform_is_that_of_the_cut(tmp_path: Path, worker: Worker) -> None:
    rate = 48_000
    loud = np.zeros(4 * rate, dtype=np.float32)
    loud[2 * rate :] = 0.5
    path = make(tmp_path / "step.wav", None, Audio(loud, rate))
    steps = drawing.steps(looked(worker, piece(path, 25, 50)).peaks, 10)  # 1 s to 3 s: the step is in the middle
    assert steps[:5] == [(0, 0)] * 5
    assert all(high == pytest.approx(0.5 * 127, abs=1) for _, high in steps[5:])


def test_the_spectrogram_has_a_tone_where_it_belongs(tmp_path: Path, worker: Worker) -> None:
    time = np.arange(4 * 48_000) / 48_000
    path = make(tmp_path / "tone.wav", None, Audio((0.5 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32), 48_000))
    bands = looked(worker, piece(path, 25, 50)).bands
    assert len(bands) == drawing.BANDS * drawing.STEPS
    middle = [bands[band * drawing.STEPS + drawing.STEPS // 2] for band in range(drawing.BANDS)]
    edges = np.geomspace(60, 12_000, drawing.BANDS + 1)
    assert edges[int(np.argmax(middle))] <= 1000 <= edges[int(np.argmax(middle)) + 1]
    assert max(bands) <= 15


def test_what_was_made_is_kept_small_and_made_once(
    tmp_path: Path, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = source(tmp_path, ".mp4")
    first = looked(worker, piece(path, 100, 49), (24, 14))
    monkeypatch.setattr(mediamaking, "pictures", None)
    monkeypatch.setattr(mediamaking.Listener, "hear", None)
    again = Worker(worker.folder)
    assert looked(again, piece(path, 100, 49), (24, 14)) == first
    assert (worker.folder / "media.sqlite").stat().st_size < 60_000
    rows = sqlite3.connect(worker.folder / "media.sqlite").execute("SELECT * FROM looks").fetchall()
    assert sum(len(value) for row in rows for value in row if isinstance(value, bytes)) < 8_000


def test_a_damaged_keep_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "media.sqlite").write_bytes(b"not a database" * 100)
    keep = Keep(tmp_path)
    keep.put_heard("a", bytes(4), bytes(4), 7)
    assert keep.heard("a") == (bytes(4), bytes(4), 7)
    keep.close()


@given(st.binary(max_size=400).map(lambda data: bytes(value & 15 for value in data)[: len(data) // 2 * 2]))
def test_kept_spectrograms_come_back(bands: bytes) -> None:
    keep = Keep(Path("/nonexistent"))  # in memory: nothing can be written there
    keep.put_heard("a", b"", bands, 1)
    assert keep.heard("a") == (b"", bands, 1)
    keep.close()


def test_a_film_has_the_clips_frames_and_is_made_once(tmp_path: Path, worker: Worker) -> None:
    one = piece(source(tmp_path, ".mp4"), 100, 33)
    made = worker.answer({"do": "film", "piece": pack(one.bare()), "box": (0, 0)})
    assert isinstance(made, Film)
    with av.open(made.path) as container:
        assert [shown_index(frame) for frame in container.decode(video=0)] == list(range(100, 133))
    stamp = Path(made.path).stat().st_ino
    again = worker.answer({"do": "film", "piece": pack(one.bare()), "box": (0, 0)})
    assert again == made
    assert Path(made.path).stat().st_ino == stamp


def test_old_films_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captioner.review.mediakeep.FILMS", 250)
    keep = Keep(tmp_path)
    keep.films.mkdir()
    for number in range(5):
        made = keep.films / "made.tmp"
        made.write_bytes(bytes(100))
        path = keep.add_film(str(number), made)
        os.utime(path, (number, number))
        keep.film("0")  # the one that is watched again and again stays
    assert sorted(path.stem for path in keep.films.iterdir()) == ["0", "4"]
    keep.close()


def test_a_source_that_is_gone_or_changed_is_told(tmp_path: Path, worker: Worker) -> None:
    path = source(tmp_path, ".wav")
    one = piece(path, 10, 25)
    with Store(worker.folder) as store:
        store.remember_files([(str(path), path.stat().st_size + 1, 0, one.recording.content)])
    with Media(worker.folder) as media:
        told = wait_for(lambda done: media.sound(one, done))
        assert isinstance(told, Trouble)
        assert "changed since it was analysed" in told.said
        path.unlink()
        told = wait_for(lambda done: media.sound(one, done))
        assert isinstance(told, Trouble)
        assert str(path) in told.said


# --- the process apart --------------------------------------------------------------------------------------------


@pytest.fixture
def media(tmp_path: Path) -> Iterator[Media]:
    (tmp_path / "store").mkdir(exist_ok=True)
    made = Media(tmp_path / "store")
    yield made
    made.close()


def test_questions_are_answered_from_another_process(tmp_path: Path, media: Media, worker: Worker) -> None:
    one = piece(source(tmp_path, ".mp4"), 50, 33)
    assert wait_for(lambda done: media.sound(one, done)) == heard(worker, one)
    seen: list[Any] = []
    media.look(one, (24, 14), seen.append)
    wait(lambda: len(seen) == 2)
    assert seen[0].peaks == seen[1].peaks
    assert (len(seen[0].pictures), len(seen[1].pictures)) == (0, 3)
    assert isinstance(wait_for(lambda done: media.film(one, done)), Film)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_question_that_was_overtaken_is_dropped(tmp_path: Path, media: Media) -> None:
    path = source(tmp_path, ".wav")
    assert isinstance(wait_for(lambda done: media.sound(piece(path, 0, 25), done)), ClipSound)
    assert media._process is not None
    os.kill(media._process.pid, signal.SIGSTOP)
    answers: list[tuple[int, Any]] = []
    for start in (10, 20, 30):
        media.sound(piece(path, start, 25), lambda answer, start=start: answers.append((start, answer)))
        wait(lambda: media._now is not None)
    os.kill(media._process.pid, signal.SIGCONT)
    wait(lambda: answers)
    assert [start for start, _ in answers] == [30]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_decoder_that_crashes_costs_one_answer(tmp_path: Path, media: Media) -> None:
    path = source(tmp_path, ".wav")
    assert isinstance(wait_for(lambda done: media.sound(piece(path, 0, 25), done)), ClipSound)
    process = media._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    answers: list[Any] = []
    media.sound(piece(path, 10, 25), answers.append)
    wait(lambda: media._now is not None)
    process.kill()
    wait(lambda: answers)
    assert isinstance(answers[0], Trouble)
    assert isinstance(wait_for(lambda done: media.sound(piece(path, 10, 25), done)), ClipSound)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_who_waits_does_not_wait_for_what_nobody_asked(
    tmp_path: Path, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captioner.review.media.PATIENCE", 0.05)
    path = source(tmp_path, ".wav")
    assert isinstance(wait_for(lambda done: media.sound(piece(path, 0, 25), done)), ClipSound)
    assert media._process is not None
    os.kill(media._process.pid, signal.SIGSTOP)  # work ahead that takes forever
    media.ahead([piece(path, 40, 25)], (24, 14))
    wait(lambda: media._now is not None)
    assert isinstance(wait_for(lambda done: media.sound(piece(path, 10, 25), done), 20), ClipSound)


def test_what_was_made_ahead_is_there(tmp_path: Path, media: Media, worker: Worker) -> None:
    path = source(tmp_path, ".mp4")
    pieces = [piece(path, start, 25) for start in (0, 50, 100)]
    media.ahead(pieces, (24, 14))
    wait(lambda: media._thread is not None and not media._ahead and media._now is None)
    count = sqlite3.connect(tmp_path / "store" / "media.sqlite").execute(
        "SELECT count(peaks), count(pictures) FROM looks"
    )
    assert count.fetchone() == (3, 3)


def test_after_closing_nothing_is_answered_and_no_process_is_left(tmp_path: Path, media: Media) -> None:
    path = source(tmp_path, ".wav")
    wait_for(lambda done: media.sound(piece(path, 0, 25), done))
    process, thread = media._process, media._thread
    assert process is not None
    assert thread is not None
    answers: list[Any] = []
    media.close()
    media.sound(piece(path, 10, 25), answers.append)
    wait(lambda: process.poll() is not None and not thread.is_alive())
    assert answers == []
    assert threading.active_count() >= 1


# --- drawing ------------------------------------------------------------------------------------------------------

PEAKS = st.binary(min_size=2 * drawing.COLUMNS, max_size=2 * drawing.COLUMNS).map(
    lambda data: b"".join(
        bytes((min(a - 128, b - 128) & 255, max(a - 128, b - 128) & 255))
        for a, b in zip(data[::2], data[1::2], strict=True)
    )
)
SIZES = (st.integers(1, 200), st.integers(1, 12))


@given(PEAKS, *SIZES)
def test_waveforms_fill_their_room(peaks: bytes, width: int, rows: int) -> None:
    for draw, signs in (
        (drawing.braille, {chr(0x2800 + dots) for dots in range(256)}),
        (drawing.blocks, set(" ▁▂▃▄▅▆▇█")),
        (drawing.ascii_wave, set(" .|")),
    ):
        lines = draw(peaks, width, rows)
        assert [len(line) for line in lines] == [width] * rows
        assert set("".join(lines)) <= signs


def both(low: int, high: int) -> bytes:
    return bytes((low & 255, high & 255)) * drawing.COLUMNS


def test_full_scale_fills_every_dot_and_silence_draws_a_line() -> None:
    assert drawing.braille(both(-127, 127), 10, 3) == ("⣿" * 10,) * 3
    assert drawing.braille(both(0, 0), 4, 2) == ("⣀" * 4, "⠀" * 4)
    assert drawing.blocks(both(-127, 127), 3, 2) == ("███", "███")
    assert drawing.blocks(both(0, 0), 3, 2) == ("   ", "▁▁▁")


def test_a_soft_clip_is_drawn_large_but_noise_is_not_blown_up() -> None:
    assert drawing.braille(both(-20, 20), 4, 2) == ("⣿" * 4,) * 2
    assert drawing.braille(both(-1, 1), 4, 2) != ("⣿" * 4,) * 2


def test_time_runs_to_the_right() -> None:
    half = drawing.COLUMNS // 2
    peaks = both(0, 0)[: 2 * half] + both(-127, 127)[: 2 * half]
    assert drawing.braille(peaks, 4, 1) == ("⠒⠒⣿⣿",)
    assert drawing.blocks(peaks, 4, 1) == ("▁▁██",)


@given(st.binary(min_size=drawing.BANDS * drawing.STEPS, max_size=drawing.BANDS * drawing.STEPS), *SIZES)
def test_spectrograms_fill_their_room_with_few_colours(data: bytes, width: int, rows: int) -> None:
    bands = bytes(value & 15 for value in data)
    drawn = drawing.spectrogram(bands, width, rows)
    assert drawn.shape == (2 * rows, width, 3)
    colours = {drawn.data[at : at + 3] for at in range(0, len(drawn.data), 3)}
    assert len(drawn.data) == 6 * rows * width
    assert colours <= {bytes(colour) for colour in drawing.PALETTE}
    assert [len(line) for line in drawing.spectrogram_ascii(bands, width, rows)] == [width] * rows


def test_low_sounds_are_at_the_bottom() -> None:
    bands = bytes([15]) * drawing.STEPS + bytes(drawing.STEPS * (drawing.BANDS - 1))
    drawn = drawing.spectrogram(bands, 4, 12)
    bright = bytes(drawing.PALETTE[15])
    assert drawn.data[-12:] == bright * 4
    assert bright not in drawn.data[:-12]
    assert drawing.spectrogram_ascii(bands, 4, 24)[-1] == "@@@@"


def test_nothing_kept_draws_nothing() -> None:
    assert drawing.braille(b"", 3, 2) == ("   ", "   ")
    assert set(drawing.spectrogram(b"", 3, 2).data) == set(bytes(drawing.PALETTE[0]))
    assert drawing.beside([]) is None


def test_pictures_stand_beside_each_other() -> None:
    red, blue = (Pixels(2, 2, bytes(colour) * 4) for colour in ((255, 0, 0), (0, 0, 255)))
    drawn = drawing.beside([red, blue])
    assert drawn is not None
    assert drawn.shape == (2, 5, 3)
    row = bytes((255, 0, 0)) * 2 + bytes(3) + bytes((0, 0, 255)) * 2
    assert drawn.data == row * 2
