"""From inputs to Recordings: what is there, what each file is, what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import CaptionerError, MediaError
from captioner.media.discover import Source, discover, fingerprint
from captioner.media.slugs import slugs
from captioner.ports import Engine, Reporter
from captioner.settings import Settings
from captioner.store import Store, key_of
from captioner.summary import Failure
from captioner.types import AudioStream, Recording, VideoStream

PROBE_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Probed:
    audio: AudioStream
    video: VideoStream | None


@dataclass(frozen=True, slots=True)
class Identified:
    recordings: tuple[Recording, ...]
    passed: tuple[tuple[str, str], ...]
    """Path and reason of each file that is not for us."""
    failures: tuple[Failure, ...]


def identify(
    inputs: Sequence[Path], out: Path, settings: Settings, store: Store, engine: Engine, reporter: Reporter
) -> Identified:
    """Every usable file of the inputs as a Recording, in order of name."""
    found = discover(inputs, leave=[out])
    passed = [(str(entry.path), entry.reason) for entry in found.passed]
    contents, failures = _contents(found.sources, settings, store, engine, reporter)
    first: dict[str, Source] = {}
    for source in found.sources:
        content = contents.get(str(source.path))
        if content is None:
            continue
        if content in first:
            passed.append((str(source.path), f"the same content as {first[content].name}"))
        else:
            first[content] = source
    by_name = dict(zip([s.name for s in first.values()], slugs([s.name for s in first.values()]), strict=True))
    probed = _probe(list(first.items()), settings, store, engine, reporter, failures)
    recordings = []
    for content, source in first.items():
        if content in probed:
            streams = probed[content]
            recordings.append(
                Recording(str(source.path), source.name, by_name[source.name], content, streams.audio, streams.video)
            )
    return Identified(tuple(recordings), tuple(passed), tuple(failures))


def _contents(
    sources: Sequence[Source], settings: Settings, store: Store, engine: Engine, reporter: Reporter
) -> tuple[dict[str, str], list[Failure]]:
    """Path -> SHA-256, read only where size or time changed; and the files that cannot be read."""
    known = {} if settings.rehash else store.known_files()
    contents: dict[str, str] = {}
    failures: list[Failure] = []
    unknown: list[tuple[Source, int, int]] = []
    for source in sources:
        try:
            stat = source.path.stat()
        except OSError as error:
            failures.append(Failure(source.name, "Broken", f"{source.path}: cannot be read ({error.strerror})"))
            continue
        size, mtime, content = known.get(str(source.path), (-1, -1, ""))
        if (size, mtime) == (stat.st_size, stat.st_mtime_ns):
            contents[str(source.path)] = content
        else:
            unknown.append((source, stat.st_size, stat.st_mtime_ns))
    fresh: list[tuple[str, int, int, str]] = []

    def done(item: tuple[Source, int, int], answer: str | CaptionerError) -> None:
        source, size, mtime = item
        if isinstance(answer, CaptionerError):
            failures.append(Failure(source.name, type(answer).__name__, str(answer)))
        else:
            contents[str(source.path)] = answer
            fresh.append((str(source.path), size, mtime, answer))
        reporter.advance(1)

    if unknown:
        reporter.stage("read", len(unknown), "files")
        engine.each(lambda item: fingerprint(item[0].path), unknown, done)
        store.remember_files(fresh)
    return contents, failures


def _probe(
    found: Sequence[tuple[str, Source]],
    settings: Settings,
    store: Store,
    engine: Engine,
    reporter: Reporter,
    failures: list[Failure],
) -> dict[str, Probed]:
    """Content -> streams. Failures are added to `failures` and remembered like any result."""
    from captioner.media.probe import probe

    have = store.keys()
    probed: dict[str, Probed] = {}
    todo: list[tuple[str, Source]] = []
    keys = {}
    for content, source in found:
        # The suffix counts: it is a hint to the demuxer where the bytes alone are ambiguous.
        key = keys[content] = key_of("probe", PROBE_VERSION, content, source.path.suffix.lower(), settings.audio_stream)
        if key in have:
            probed[content] = store.get(key, Probed)  # type: ignore[assignment]
        elif (failed := key_of("failure", key, str(source.path))) in have:
            failures.append(store.get(failed, Failure))  # type: ignore[arg-type]
        else:
            todo.append((content, source))

    def done(item: tuple[str, Source], answer: tuple[AudioStream, VideoStream | None] | CaptionerError) -> None:
        content, source = item
        if isinstance(answer, CaptionerError):
            failure = Failure(source.name, type(answer).__name__, str(answer))
            failures.append(failure)
            if isinstance(answer, MediaError):
                store.put(key_of("failure", keys[content], str(source.path)), "failure", failure)
        else:
            probed[content] = Probed(*answer)
            store.put(keys[content], "probe", probed[content])
        reporter.advance(1)

    if todo:
        reporter.stage("probe", len(todo), "files")
        with store.transaction():
            engine.each(lambda item: probe(item[1].path, audio_stream=settings.audio_stream), todo, done)
    return probed
