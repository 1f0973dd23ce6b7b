"""Names of languages, as English calls them."""

from __future__ import annotations

OWN = "en"
"""The language that captions are written in."""

_TABLE = """
af Afrikaans | am Amharic | ar Arabic | as Assamese | az Azerbaijani | ba Bashkir | be Belarusian | bg Bulgarian
bn Bengali | bo Tibetan | br Breton | bs Bosnian | ca Catalan | cs Czech | cy Welsh | da Danish | de German | el Greek
en English | es Spanish | et Estonian | eu Basque | fa Persian | fi Finnish | fo Faroese | fr French | ga Irish
gl Galician | gu Gujarati | ha Hausa | haw Hawaiian | he Hebrew | hi Hindi | hr Croatian | ht Haitian Creole
hu Hungarian | hy Armenian | id Indonesian | is Icelandic | it Italian | iw Hebrew | ja Japanese | jw Javanese
jv Javanese | ka Georgian | kk Kazakh | km Khmer | kn Kannada | ko Korean | la Latin | lb Luxembourgish | ln Lingala
lo Lao | lt Lithuanian | lv Latvian | mg Malagasy | mi Maori | mk Macedonian | ml Malayalam | mn Mongolian | mr Marathi
ms Malay | mt Maltese | my Burmese | nb Norwegian | ne Nepali | nl Dutch | nn Norwegian Nynorsk | no Norwegian
oc Occitan | pa Punjabi | pl Polish | ps Pashto | pt Portuguese | ro Romanian | ru Russian | sa Sanskrit | sd Sindhi
si Sinhala | sk Slovak | sl Slovenian | sn Shona | so Somali | sq Albanian | sr Serbian | su Sundanese | sv Swedish
sw Swahili | ta Tamil | te Telugu | tg Tajik | th Thai | tk Turkmen | tl Tagalog | tr Turkish | tt Tatar | uk Ukrainian
ur Urdu | uz Uzbek | vi Vietnamese | yi Yiddish | yo Yoruba | yue Cantonese | zh Chinese | zu Zulu
"""

NAMES = {
    code: name
    for line in _TABLE.split("\n")
    for entry in line.split(" | ")
    if entry
    for code, name in [entry.split(" ", 1)]
}
"""ISO 639-1, and the few longer codes that transcribers use -> name: all that Whisper knows."""


def language_name(code: str | None) -> str | None:
    """ "French" for `fr`, `FR` and `fr-CA`; None where the code is None or unknown."""
    return None if code is None else NAMES.get(code.lower().replace("_", "-").split("-")[0])
