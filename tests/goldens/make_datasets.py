"""Writes `<set>.cuts` and `<set>_<dialect>.txt`: what a real build measured, and its captions in every dialect.

python -m tests.goldens.make_datasets SET FOLDER

SET is a name (`sample`, `shared`), FOLDER what is built. The cuts are kept as the store keeps them, so that captions
are compared without a model. Read the captions beside the sound before you commit them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import captioner
from captioner.drafting import Drafter
from captioner.pipeline import HOME
from captioner.settings import Settings
from captioner.store import Store, pack, unpack
from captioner.templates_io import shipped_templates
from captioner.types import Cut

HERE = Path(__file__).parent
SETS = {
    "sample": Settings(trigger="ema_voice", subject="a young woman", place="in a quiet indoor room"),
    "shared": Settings(trigger="ema_voice"),
}
"""What a person said of each set."""


def cuts_of(name: str) -> tuple[Cut, ...]:
    return unpack((HERE / f"{name}.cuts").read_bytes(), tuple[Cut, ...])


def golden(name: str, dialect: str) -> Path:
    return HERE / f"{name}_{dialect}.txt"


def captions(name: str, dialect: str) -> list[str]:
    """One a cut: the clip's name, a tab, its caption."""
    cuts = cuts_of(name)
    drafter = Drafter.of(SETS[name].model_copy(update={"template": dialect})).hearing(cuts)
    return [f"{cut.id}\t{drafter.draft(cut, None).text}" for cut in cuts]


def main(name: str, folder: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        captioner.build(folder, Path(scratch, "out"), trigger="ema_voice")
        with Store(Path(scratch, "out", HOME)) as store:
            cuts = tuple(unpack(row.cut, Cut) for row in store.clips())
    (HERE / f"{name}.cuts").write_bytes(pack(cuts))
    for dialect in shipped_templates():
        golden(name, dialect).write_text("\n".join(captions(name, dialect)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
