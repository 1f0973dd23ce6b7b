"""Phrases that transcribers are known to invent where nobody speaks: subtitle credits and the farewells of web videos.

They are learnt from subtitle files, so they come back on silence, music and applause. Each is also something that
people say; so a phrase alone is never a reason: `doubt` asks for little speech or a low probability as well.
Compared without case, punctuation and blanks at the ends; a line may hold the phrase several times.
"""

from __future__ import annotations

import unicodedata

PHRASES: dict[str, tuple[str, ...]] = {
    "en": (
        "thanks for watching", "thank you for watching", "thank you so much for watching", "thank you",
        "thank you very much", "thanks for listening", "please subscribe", "please subscribe to my channel",
        "subscribe to my channel", "like and subscribe", "dont forget to like and subscribe", "see you next time",
        "see you in the next video", "ill see you next time", "bye", "bye bye", "you", "so", "the end",
        "to be continued", "subtitles by the amaraorg community", "subtitles by", "transcription by castingwords",
        "captions by", "subs by wwwzeoranger", "copyright wdr", "transcribed by", "music", "applause", "silence",
    ),
    "de": (
        "untertitel der amaraorg community", "untertitel von stephanie geiges",
        "untertitel im auftrag des zdf für funk", "untertitelung des zdf",
        "untertitelung aufgrund der audioqualität nicht möglich", "vielen dank", "vielen dank fürs zuschauen",
        "vielen dank für die aufmerksamkeit", "danke fürs zuschauen", "bis zum nächsten mal", "copyright wdr", "swr",
        "tschüss",
    ),
    "fr": (
        "sous-titres réalisés par la communauté damaraorg", "sous-titres réalisés para la communauté damaraorg",
        "sous-titrage société radio-canada", "sous-titrage st", "sous-titres par",
        "merci davoir regardé cette vidéo", "merci davoir regardé", "merci", "abonnez-vous",
        "noubliez pas de vous abonner", "à bientôt", "au revoir",
    ),
    "es": (
        "subtítulos realizados por la comunidad de amaraorg", "subtítulos por la comunidad de amaraorg",
        "gracias por ver el video", "gracias por ver", "gracias", "suscríbete", "suscríbete al canal",
        "no olvides suscribirte", "hasta la próxima", "nos vemos en el próximo video",
    ),
    "it": (
        "sottotitoli creati dalla comunità amaraorg", "sottotitoli e revisione a cura di qtss",
        "sottotitoli a cura di", "grazie per aver guardato il video", "grazie per la visione", "grazie",
        "iscrivetevi al canale", "alla prossima", "ciao",
    ),
    "pt": (
        "legendas pela comunidade amaraorg", "legendas pela comunidade de amaraorg", "obrigado por assistir",
        "obrigado", "obrigada", "inscreva-se no canal", "se inscreva no canal", "até a próxima", "tchau",
    ),
    "nl": (
        "ondertitels ingediend door de amaraorg gemeenschap", "ondertiteld door de amaraorg gemeenschap",
        "bedankt voor het kijken", "dank u wel", "bedankt", "tot de volgende keer", "tv gelderland 2021",
    ),
    "pl": (
        "napisy stworzone przez społeczność amaraorg", "napisy robione przez", "dziękuję za uwagę",
        "dziękuję za oglądanie", "dzięki za oglądanie", "dziękuję", "do zobaczenia", "subskrybuj",
    ),
    "ru": (
        "субтитры сделал dimatorzok", "субтитры создавал dimatorzok", "субтитры добавил dimatorzok",
        "редактор субтитров асемкин корректор аегорова", "субтитры подготовлены сообществом amaraorg",
        "спасибо за просмотр", "продолжение следует", "спасибо за внимание", "подписывайтесь на канал",
        "до новых встреч", "спасибо",
    ),
    "uk": (
        "дякую за перегляд", "дякую за увагу", "дякую", "субтитри", "підписуйтесь на канал",
    ),
    "tr": (
        "altyazı mk", "altyazı m k", "izlediğiniz için teşekkür ederim", "izlediğiniz için teşekkürler",
        "abone olmayı unutmayın", "teşekkürler",
    ),
    "sv": (
        "undertexter från amaraorg gemenskapen", "undertextning stina hedin wwwbtistudioscom",
        "tack för att ni tittade", "tack för att du tittade", "tack",
    ),
    "da": (
        "danske tekster af nicolai winther", "tak fordi du så med", "tak for at se med", "tak", "undertekster af",
    ),
    "no": (
        "undertekster av ai-media", "teksting av nicolai winther", "takk for at du så på", "takk for at dere så på",
        "takk for watching",
    ),
    "fi": (
        "tekstitys", "kiitos kun katsoit", "kiitos katsomisesta", "kiitos",
    ),
    "cs": (
        "titulky vytvořil johnyx", "děkuji za pozornost", "děkujeme za pozornost", "děkuji", "titulky",
    ),
    "hu": (
        "köszönöm hogy megnézted", "köszönöm a figyelmet", "köszönöm", "iratkozz fel a csatornára", "feliratok",
    ),
    "ro": (
        "vă mulțumesc pentru vizionare", "mulțumesc pentru vizionare", "nu uitați să dați like și să vă abonați",
        "mulțumesc",
    ),
    "el": (
        "υπότιτλοι authorwave", "ευχαριστώ που παρακολουθήσατε", "ευχαριστώ", "σας ευχαριστώ",
    ),
    "ar": (
        "ترجمة نانسي قنقر", "اشتركوا في القناة", "شكرا على المشاهدة", "شكرا للمشاهدة", "شكرا",
    ),
    "hi": (
        "देखने के लिए धन्यवाद", "धन्यवाद", "चैनल को सब्सक्राइब करें",
    ),
    "id": (
        "terima kasih telah menonton", "terima kasih", "jangan lupa subscribe", "sampai jumpa di video selanjutnya",
    ),
    "vi": (
        "cảm ơn các bạn đã theo dõi", "cảm ơn các bạn đã theo dõi và hẹn gặp lại",
        "hãy subscribe cho kênh ghiền mì gõ để không bỏ lỡ những video hấp dẫn", "hẹn gặp lại",
    ),
    "zh": (
        "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目", "請不吝點贊 訂閱 轉發 打賞支持明鏡與點點欄目",
        "字幕由amaraorg社区提供", "字幕由amaraorg社區提供", "字幕由 amaraorg 社群提供", "谢谢观看", "謝謝觀看",
        "谢谢大家", "謝謝大家", "谢谢", "謝謝", "字幕志愿者 李宗盛", "中文字幕志愿者 杨茜茜", "下期再见",
    ),
    "ja": (
        "ご視聴ありがとうございました", "ご視聴ありがとうございます", "ご清聴ありがとうございました",
        "最後までご視聴いただきありがとうございます", "チャンネル登録をお願いいたします",
        "チャンネル登録よろしくお願いします", "ありがとうございました", "おやすみなさい",
        "字幕視聴ありがとうございました",
    ),
    "ko": (
        "시청해주셔서 감사합니다", "시청해 주셔서 감사합니다", "구독과 좋아요 부탁드립니다", "감사합니다",
        "다음 영상에서 만나요", "한글자막 by 한효정", "이 영상은 유료광고를 포함하고 있습니다",
    ),
}  # fmt: skip


def plain(text: str) -> str:
    """Lower case, letters, digits, hyphens and single blanks only."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("ı", "i").replace("\u0307", "")  # Turkish i
    kept = "".join(sign if sign.isalnum() or sign in " -" or _joins(sign) else "" for sign in folded)
    return " ".join(kept.split())


def is_ghost(text: str, language: str | None) -> bool:
    """Whether the text is nothing but a known phrase, once or repeated, in its language or in English.

    An unknown language is compared with the phrases of all.
    """
    said = plain(text)
    if not said:
        return False
    codes = PHRASES.keys() if language is None else {language, "en"} & PHRASES.keys()
    return any(_repeats(said, phrase) for code in codes for phrase in _plain_phrases(code))


def _plain_phrases(code: str) -> tuple[str, ...]:
    if code not in _PLAIN:
        _PLAIN[code] = tuple(plain(phrase) for phrase in PHRASES[code])
    return _PLAIN[code]


_PLAIN: dict[str, tuple[str, ...]] = {}


def _repeats(said: str, phrase: str) -> bool:
    rest = said.replace(" ", "")
    unit = phrase.replace(" ", "")
    return len(rest) % len(unit) == 0 and unit * (len(rest) // len(unit)) == rest


def _joins(sign: str) -> bool:
    """Vowel signs and accents that letters carry in some scripts: no letters themselves, but no punctuation either."""
    return unicodedata.category(sign) in ("Mn", "Mc")
