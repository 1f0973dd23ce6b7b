"""Fields, composed captions, and captions that are adopted."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.captions import fields
from captioner.captions.adopt import adopt_caption, spoken_in
from captioner.captions.compose import CaptionSettings, compose
from captioner.captions.language import NAMES
from captioner.captions.nonverbal import STYLE, text_with_sounds, without_sounds
from captioner.captions.template import parse_template
from captioner.captions.text import phrase, spoken
from captioner.captions.tokens import most_tokens
from captioner.errors import TemplateError
from captioner.measures import Scene, Tag, Voice
from captioner.templates_io import find_template, shipped_templates
from captioner.times import Span
from captioner.types import Caption, Cut, Line, Word
from tests.goldens.make_captions import golden, lines

TEMPLATES = {name: parse_template(*find_template(name)) for name in shipped_templates()}
EMA = CaptionSettings("ema_voice", subject="a young woman", place="in a quiet indoor room")
GENTLE = Voice(level=-45.0, pitch=190.0, pitch_spread=5.0, rate=3.0)
ROOM = Scene(noise=-62.0, snr=30.0, speech=True, singing=False, music=False, swing=1.0)


def heard(label: str) -> Tag:
    return Tag(label, Span(0.5, 1.5), 0.9)


def cut(text: str, voice: Voice = GENTLE, scene: Scene = ROOM, speaker: str | None = "SPEAKER_00") -> Cut:
    words = tuple(Word(word, Span.at(n * 0.3, n * 0.3 + 0.2)) for n, word in enumerate(text.split(" "))) if text else ()
    said = (Line(words, speaker),) if words else ()
    return Cut("talk", 0, 121, Fraction(24), said, voice, scene)


def caption(of: Cut, settings: CaptionSettings = EMA, dialect: str = "default") -> str:
    return compose(of, settings, TEMPLATES[dialect]).text


# -- captions ----------------------------------------------------------------------------------------------------------


def test_the_default_caption_is_the_documented_one() -> None:
    assert caption(cut("I think we should start again from the beginning.")) == (
        "ema_voice, a young woman speaks in a soft, calm voice in a quiet indoor room. "
        'Speech: "I think we should start again from the beginning." '
        "Sounds: clear female speech, quiet room tone, no music."
    )


def test_nothing_known_but_the_words_leaves_a_clean_caption() -> None:
    bare = cut("bin blue at F two now", Voice(), Scene())
    plain = CaptionSettings("ema_voice")
    assert caption(bare, plain) == 'ema_voice, a person speaks. Speech: "bin blue at F two now".'
    assert caption(bare, plain, "plain") == 'ema_voice: "bin blue at F two now"'
    assert caption(bare, plain, "ltx-prose") == 'ema_voice, a person says, "bin blue at F two now".'
    assert caption(bare, plain, "id-lora") == "[VISUAL]: ema_voice, a person speaks. [SPEECH]: bin blue at F two now"


def test_a_clip_in_which_nobody_speaks_claims_no_speech() -> None:
    quiet = cut("", Voice(), Scene(noise=-40.0, speech=False, music=False))
    assert caption(quiet, CaptionSettings("ema_voice")) == (
        "ema_voice. Sounds: no speech, soft background noise, no music."
    )


@pytest.mark.parametrize("dialect", sorted(TEMPLATES))
def test_every_made_cut_reads_as_its_golden_does(dialect: str) -> None:
    kept = golden(dialect).read_text(encoding="utf-8").splitlines()
    for made, known in zip(lines(dialect), kept, strict=True):
        assert made == known


def test_a_speaker_has_a_trigger_and_a_subject_of_its_own() -> None:
    settings = replace(EMA, triggers={"SPEAKER_01": "tom_voice"}, subjects={"SPEAKER_01": "an old man"})
    assert caption(cut("Yes.", speaker="SPEAKER_01"), settings).startswith("tom_voice, an old man speaks")
    assert caption(cut("Yes.", speaker="SPEAKER_00"), settings).startswith("ema_voice, a young woman speaks")
    assert caption(cut("Yes.", speaker=None), settings).startswith("ema_voice, a young woman speaks")


def test_a_subject_that_begins_with_the_trigger_does_not_double_it() -> None:
    assert caption(cut("Yes."), replace(EMA, subject="ema_voice, a young woman")).count("ema_voice") == 1


def test_fields_that_a_template_asks_for_have_answers_or_defaults() -> None:
    text = "dialect: m\ntext: '{trigger}[ in a {coat} coat]: {speech}'\nask: {coat: {question: 'Which?', default: red}}"
    template = parse_template(text, "m.yaml")
    assert compose(cut("Yes."), EMA, template).text == 'ema_voice in a red coat: "Yes."'
    assert compose(cut("Yes."), replace(EMA, answers={"coat": "blue"}), template).text == (
        'ema_voice in a blue coat: "Yes."'
    )


def test_a_caption_keeps_its_fields_apart() -> None:
    made = compose(cut("Yes."), EMA, TEMPLATES["default"])
    assert made.dialect == "default"
    assert made.fields["speech"] == '"Yes."'
    assert made.fields["visual"] is None


def test_a_trigger_of_nothing_but_marks_is_refused() -> None:
    with pytest.raises(TemplateError, match="trigger is empty"):
        caption(cut("Yes."), CaptionSettings(" ,. "))


marks = st.sampled_from(
    list(
        "\"'.,;:!?-[]{}<>()|\\ \u201c\u2026\u200b\u202b\u200d\ufe0f\u00ad\U0001f600\u266a\u00e9\u0301\u0636\u3042\u3002"
    )
)
anything = st.text(max_size=25) | st.text(marks | st.characters(), max_size=25)
sentences = st.lists(st.text(marks | st.characters(), min_size=1, max_size=8), min_size=1, max_size=8).map(" ".join)
numbers = st.none() | st.floats(-120, 600)
voices = st.builds(Voice, numbers, numbers, numbers, numbers)
verdicts = st.none() | st.booleans()
labels = anything | st.sampled_from(["Laughter", "Sigh", "Cough", "Dog", "Crowd", "Rain", "Music"])
scenes = st.builds(
    Scene, numbers, numbers, verdicts, verdicts, verdicts, st.lists(labels.map(heard), max_size=3).map(tuple)
)
languages = st.sampled_from([None, "en", "fr", "ja", "ar", "xx"])
LEADS = {"id-lora": "[VISUAL]: ", "minimax-h3": "integrated_multimodal_description: [Shot 1] "}
NOT_SAID = re.compile("[\ufe00-\ufe0f\u20e3\ufffc\ufffd\U000e0000-\U000e0fff]")


def letters(text: str) -> str:
    """All that is said of a text, and nothing that only marks it: letters, digits and what belongs to them."""
    text = unicodedata.normalize("NFC", NOT_SAID.sub("", text))
    return unicodedata.normalize("NFC", "".join(sign for sign in text if unicodedata.category(sign)[0] in "LNM"))


def apart(text: str, dialect: str) -> tuple[str, str]:
    """What stands where a dialect has its words, by that dialect's own marks alone, and the rest with a word for it."""
    where = {"id-lora": r"\[SPEECH\]: (.*?)(?: \[SOUNDS\]: |$)", "minimax-h3": r"<d>(?:\[[A-Z]\w+\] )?(.*)</d>"}
    found = re.search(where.get(dialect, r'"([^"]*)"'), text)
    return ("", text) if found is None else (found[1], f"{text[: found.start(1)]}said{text[found.end(1) :]}")


@given(
    sentences, st.none() | anything, st.none() | anything, st.none() | anything, anything, voices, scenes, languages,
    st.booleans(),
)  # fmt: skip
def test_any_values_give_one_clean_line_with_the_words_unchanged(
    words: str, subject: str | None, place: str | None, visual: str | None, trigger: str, voice: Voice, scene: Scene,
    language: str | None, sounds: bool,
) -> None:  # fmt: skip
    settings = CaptionSettings(f"ema{trigger}", subject, place, visual)
    of = replace(cut(words, voice, scene), language=language)
    name = fields.trigger(of, settings)
    assert name is not None
    for dialect, template in TEMPLATES.items():
        text = caption(of, replace(settings, nonverbal=template.nonverbal if sounds else ""), dialect)
        assert text.splitlines() == [text]
        assert text == text.strip()
        assert "  " not in text
        text.encode()
        assert text.startswith(LEADS.get(dialect, "") + name)
        said, around = apart(text, dialect)
        if any(sign.isalnum() for sign in words):
            assert letters(without_sounds(said)) == letters(of.text)
        else:
            assert said in ("", "None")
        assert text.count('"') in (0, 2)
        assert re.search(r"[,.;:!?]{2}", said.replace("...", "")) is None
        assert re.search(r"[,.;:!?]\s*[,.;:!?]", around.replace('"', "")) is None


@given(anything, anything, anything)
def test_the_trigger_is_there_once(subject: str, place: str, visual: str) -> None:
    settings = CaptionSettings("ema_voice", f"{subject} ema_voice", f"{place} ema_voice", f"ema_voice {visual}")
    for dialect in TEMPLATES:
        text = caption(cut("ema_voice said so."), settings, dialect)
        _, around = apart(text, dialect)
        assert len(re.findall(r"(?<!\w)ema_voice(?!\w)", around)) == 1


def test_a_trigger_in_the_picture_is_the_person() -> None:
    settings = replace(EMA, visual="ema_voice sits by a window. Then ema_voice rises")
    assert "The young woman sits by a window. Then The" not in caption(cut("Yes."), settings)
    assert "The young woman sits by a window. Then the young woman rises." in caption(cut("Yes."), settings)


@pytest.mark.parametrize(
    ("code", "said"),
    [("fr", "speaks in French"), ("fr-CA", "speaks in French"), ("en", "speaks in a"), (None, "speaks in a"),
     ("yue", "speaks in Cantonese"), ("xx", "speaks in a")],
)  # fmt: skip
def test_another_language_is_named_where_it_is_known(code: str | None, said: str) -> None:
    assert f"a young woman {said}" in caption(replace(cut("Oui."), language=code))


def test_whispers_languages_have_names() -> None:
    assert len(NAMES) >= 100
    assert all(name and name[0].isupper() for name in NAMES.values())


# -- sounds between the words ------------------------------------------------------------------------------------------


def talk(*events: Tag) -> Cut:
    """Words at 10.0-10.4, 11.0-11.4 and 12.0-12.4 of a cut that starts at 9.5."""
    words = tuple(Word(text, Span(at, at + 0.4)) for text, at in (("I", 10.0), ("know", 11.0), ("it.", 12.0)))
    return Cut("talk", 228, 121, Fraction(24), (Line(words, "A"),), scene=Scene(events=events))


@pytest.mark.parametrize(
    ("label", "start", "end", "text"),
    [
        ("Laughter", 0.0, 0.4, "(laughs) I know it."),
        ("Sigh", 1.0, 1.4, "I (sighs) know it."),
        ("Cough", 1.95, 2.45, "I know (coughs) it."),
        ("Throat clearing", 3.0, 4.0, "I know it. (clears throat)"),
        ("Laughter", 0.55, 0.6, "(laughs) I know it."),
        ("Laughter", 0.8, 0.85, "I (laughs) know it."),
        ("Dog", 1.0, 1.4, "I know it."),
        ("Breathing", 1.0, 1.4, "I know it."),
    ],
)
def test_a_sound_stands_between_the_words_where_it_is_heard(label: str, start: float, end: float, text: str) -> None:
    assert text_with_sounds(talk(Tag(label, Span(start, end), 0.9)), STYLE) == text


def test_a_laugh_that_may_be_the_audiences_is_not_the_speakers() -> None:
    laugh, crowd = Tag("Laughter", Span(1.0, 1.4), 0.9), Tag("Applause", Span(1.2, 3.0), 0.6)
    assert text_with_sounds(talk(laugh, crowd), STYLE) == "I know it."


def test_a_giggle_is_no_laugh_besides() -> None:
    both = talk(Tag("Laughter", Span(1.0, 1.4), 0.9), Tag("Giggle", Span(1.0, 1.4), 0.6))
    assert text_with_sounds(both, STYLE) == "I (giggles) know it."


def test_sounds_are_no_words_to_whoever_compares() -> None:
    assert without_sounds("(laughs) I know (clears throat) it. (sighs)") == "I know it."
    assert without_sounds("It (the dog) left.") == "It (the dog) left."
    assert spoken_in('ema. Speech: "I (laughs) know it."') == "I know it."
    made = compose(talk(Tag("Sigh", Span(1.0, 1.4), 0.9)), replace(EMA, nonverbal=STYLE), TEMPLATES["default"])
    text = 'ema_voice in red says "I know it" twice.'
    assert adopt_caption(text, made).text == text


# -- tokens ------------------------------------------------------------------------------------------------------------


@given(st.text())
def test_the_bound_is_never_over_the_bytes(text: str) -> None:
    assert most_tokens(text) <= len(text.encode(errors="replace")) + 1


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 1),
        ("Hello 1,000 xqzvk", 11),
        ("gq lq qf qg qj tq vj wz yq yv", 20),
        ("1234567890", 11),
        ("\u306f\u3058\u3081\u307e\u3057\u3066", 3),
        ("\U0001f600\U0001f600", 3),
    ],
)
def test_the_bound_is_not_under_what_gemma_counts(text: str, tokens: int) -> None:
    assert most_tokens(text) >= tokens


# -- text --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("He said \u201cgo\u201d to me.", "\"He said 'go' to me.\""),
        ('a "b" c', "\"a 'b' c\""),
        ("one\ntwo\r\n\tthree\x00four\u2028five", '"one two three four five"'),
        ("  wide \u00a0 apart ", '"wide apart"'),
        ("don\u2019t \u2018stop\u2019 \u00abl\u00e0\u00bb", "\"don't 'stop' 'l\u00e0'\""),
        ("\u0646\u0645\u06cc\u200c\u062f\u0627\u0646\u0645", '"\u0646\u0645\u06cc\u200c\u062f\u0627\u0646\u0645"'),
        ("a\u200cb\u200d c", '"ab c"'),
        ("\u202bab\u202c \u200fc\ufeff\u00ad\u200b", '"ab c"'),
        ("Wait\u2026 what?! No -- yes,, no !!", '"Wait... what? No \u2014 yes, no!"'),
        ("Well....", '"Well..."'),
        ("\u00c7a va ?", '"\u00c7a va?"'),
        ("[sic] {x} <d>", '"(sic) (x) (d)"'),
        ("STOP NOW", '"STOP NOW"'),
        ("go \U0001f600\ufe0f \u266a la \u266a", '"go la"'),
        ("cafe\u0301", '"caf\u00e9"'),
        ("twenty 20 3.5 .5 1984", '"twenty 20 3.5 .5 1984"'),
    ],
)
def test_the_words_spoken_keep_everything_but_marks(words: str, text: str) -> None:
    assert spoken(words) == text


@pytest.mark.parametrize(
    ("words", "language", "text"),
    [
        ("1,000 and 2,345,678 or 1,000.50", "en", '"1000 and 2345678 or 1000.50"'),
        ("1,000", "de", '"1,000"'),
        ("1,000", None, '"1,000"'),
        ("1,5 10,20,300 1,0000", "en", '"1,5 10,20,300 1,0000"'),
    ],
)
def test_commas_in_digits_go_where_they_only_group(words: str, language: str | None, text: str) -> None:
    assert spoken(words, language) == text


@pytest.mark.parametrize("words", ["", " ", "\n\x00", "...", "\u266a", "?"])
def test_no_words_are_no_speech(words: str) -> None:
    assert spoken(words) is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a woman.", "a woman"),
        (", a  woman ,", "a woman"),
        ('the "boss"', "the 'boss'"),
        ("sad.. or, , glad", "sad. or, glad"),
        ("two\nlines", "two lines"),
        (" . ", None),
        (None, None),
    ],
)
def test_a_persons_words_are_made_to_stand_in_a_sentence(given: str | None, kept: str | None) -> None:
    assert phrase(given) == kept


# -- voice and sounds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("voice", "words"),
    [
        (Voice(), None),
        (Voice(-25.0, 150.0, 10.0, 3.0), None),
        (Voice(level=-45.0), "soft"),
        (Voice(level=-5.0, rate=5.0), "loud, fast"),
        (Voice(-25.0, 90.0, 10.0, 1.5), "low, slow"),
        (Voice(-25.0, 300.0, 18.0, 3.0), "high, lively"),
        (Voice(-25.0, 150.0, 5.0, 3.0), "calm"),
        (Voice(-25.0, 150.0, 5.0, 5.0), "fast"),
        (Voice(-5.0, 150.0, 5.0, 3.0), "loud"),
        (Voice(-12.0, 240.0, 6.7, 2.9), None),
        (Voice(pitch_spread=5.0), None),
    ],
)
def test_a_voice_is_described_where_it_stands_out(voice: Voice, words: str | None) -> None:
    assert fields.voice(cut("Yes.", voice), EMA) == words


@pytest.mark.parametrize(
    ("scene", "subject", "words"),
    [
        (Scene(), "a woman", None),
        (Scene(music=False), "a woman", None),
        (Scene(noise=-60, snr=30), None, "clear speech, quiet room tone"),
        (Scene(noise=-60, snr=30), "a tall man", "clear male speech, quiet room tone"),
        (Scene(noise=-60, snr=30), "a woman beside a man", "clear speech, quiet room tone"),
        (Scene(noise=-60, snr=30), "a chairman", "clear speech, quiet room tone"),
        (Scene(noise=-90, snr=60), None, "clear speech, no background noise"),
        (Scene(noise=-45, snr=15, music=False, swing=1.0), None, "speech, soft background noise, no music"),
        (Scene(noise=-30, snr=5, music=False, swing=1.0), None, "speech over noise, loud background noise, no music"),
        (Scene(noise=-30, snr=5, music=None), None, "speech"),
        (Scene(noise=-28, snr=None, music=False, swing=1.0), None, "no music"),
        (Scene(noise=-58, snr=None, music=False, swing=1.0), None, "quiet room tone, no music"),
        (Scene(noise=-30, snr=26, music=None), None, "clear speech, quiet room tone"),
        (Scene(noise=-70, snr=5, music=False, swing=1.0), None, "speech over noise, loud background noise, no music"),
        (Scene(noise=-30, snr=5, music=True), "a girl", "female speech, music in the background"),
        (Scene(noise=-30, snr=15, singing=True, music=True), None, "singing, music in the background"),
        (
            Scene(noise=-60, snr=30, music=False, swing=1.0, events=(heard("Dog"), heard("Rain"))),
            None,
            "clear speech, a dog, rain, no music",
        ),
    ],
)
def test_sounds_say_what_was_measured_or_tagged(scene: Scene, subject: str | None, words: str | None) -> None:
    assert fields.sounds(cut("Yes.", scene=scene), CaptionSettings("t", subject)) == words


@given(voices, scenes)
def test_gender_and_age_are_never_guessed(voice: Voice, scene: Scene) -> None:
    scene = replace(scene, events=())
    text = caption(cut("Yes.", voice, scene), CaptionSettings("ema_voice"))
    assert not re.search(r"\b(fe)?male|wom[ae]n|\bm[ae]n\b|girl|boy|young|old|child|lady", text)


# -- adopted captions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A woman at a desk.", None),
        ('A woman says "Hello there." and smiles.', "Hello there."),
        ('She says "one," waits, then "two".', "one, two"),
        ("She says \u201cIt\u2019s late.\u201d", "It\u2019s late."),
        ("Sie sagt \u201eGuten Tag.\u201c", "Guten Tag."),
        ("Elle dit \u00ab Bonjour \u00bb.", "Bonjour"),
        ('t, she speaks. Speech: "Start again." Sounds: clear speech.', "Start again."),
        ('t. Speech: "bin blue". Sounds: "loud" noise.', "bin blue"),
        ('t. Speech: "He said "go" now." Sounds: none.', 'He said "go" now.'),
        ('t. Speech: "Hi." A sign reads "EXIT".', "Hi."),
        ("[VISUAL]: a desk [SPEECH]: come on in [SOUNDS]: hum", "come on in"),
        ('[VISUAL]: a "red" desk [SPEECH]: "Come in." [TEXT]: none', "Come in."),
        ("Speech: hello there Sounds: hum", "hello there"),
        ('t. Speech: ""', ""),
    ],
)
def test_quoted_speech_is_found(text: str, words: str | None) -> None:
    assert spoken_in(text) == words


@given(sentences, st.sampled_from(sorted(TEMPLATES)))
def test_every_dialects_speech_is_found_again(words: str, dialect: str) -> None:
    made = compose(cut(words), replace(EMA, visual="She waits"), TEMPLATES[dialect])
    said = spoken(cut(words).text)
    if said is not None and said != '"None"' and not re.search(r"(?i)speech", words):
        assert spoken_in(made.text) == said[1:-1]


def test_a_dialect_without_speech_says_so_and_is_read_so() -> None:
    assert spoken_in("[VISUAL]: a desk [SPEECH]: None [SOUNDS]: hum") == ""
    assert spoken_in("[VISUAL]: a desk [SPEECH]: Sounds: good! [SOUNDS]: hum") == "Sounds: good!"
    assert spoken_in("A man (S1) says: <d>[French] Oui, oui.</d> non_diegetic_music: N/A") == "Oui, oui."


def adopted(text: str, words: str = "Start again.") -> str:
    return adopt_caption(text, Caption("", {"trigger": "ema_voice", "speech": spoken(words)}, "default")).text


def test_an_adopted_caption_that_says_what_is_heard_stands_as_it_is() -> None:
    text = 'ema_voice in a red coat says "start again" twice.'
    assert adopted(text) == text


def test_words_that_are_not_heard_are_replaced_and_the_description_kept() -> None:
    assert adopted('ema_voice, a woman in red. Speech: "Stop it." Sounds: hum.') == (
        'ema_voice, a woman in red. Speech: "Start again." Sounds: hum.'
    )
    assert adopted('ema_voice says "One," then "two" and nods.') == 'ema_voice says "Start again." then and nods.'


def test_a_description_without_speech_or_trigger_gets_them() -> None:
    assert adopted("A woman in red") == 'ema_voice, A woman in red. Speech: "Start again."'
    assert adopted("A woman.\nShe waits.", "") == "ema_voice, A woman. She waits."


def test_a_trigger_that_is_only_spoken_or_part_of_a_word_does_not_count() -> None:
    assert adopted('A woman says "ema_voice".', "ema_voice").startswith("ema_voice, A woman")
    assert adopted('my_ema_voice says "Start again."').startswith("ema_voice, my_ema_voice")
