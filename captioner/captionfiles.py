"""The `.txt` beside each clip. What a person changed there is theirs: it is told, never overwritten."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from captioner.store import Store, WrittenRow


def refresh_captions(captions: Mapping[str, str], clips: Path, store: Store) -> list[str]:
    """Bring every written clip's `.txt` to its caption. Returns the ids whose text a person changed; those stay."""
    by_hand = []
    with store.transaction():
        for id_, row in store.written().items():
            if id_ not in captions:
                continue
            path = clips / f"{id_}.txt"
            if edited(path, row.caption):
                by_hand.append(id_)
                continue
            if not path.exists() or row.caption != captions[id_]:
                write_text(path, captions[id_], store.folder)
                store.set_written(
                    WrittenRow(id_, row.key, row.media, row.size, row.mtime_ns, captions[id_], row.repeated)
                )
    return by_hand


def edited(path: Path, caption: str) -> bool:
    """Whether a caption file stands there and says something else than captioner wrote."""
    try:
        found = path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return False
    return found.rstrip("\r\n") != caption


def write_text(path: Path, text: str, aside: Path) -> None:
    """UTF-8 without BOM, written in the folder `aside` and then renamed, so that `path` is never half a caption."""
    scratch = aside / path.name
    scratch.write_bytes(f"{text}\n".encode())
    scratch.replace(path)
