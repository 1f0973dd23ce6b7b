"""The describer's parts: what it is shown and asked, how a server's faults are met, what becomes of its answers."""

from __future__ import annotations

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.captions.fields import CaptionSettings, visual
from captioner.errors import DescriberDown, DescriptionError, SettingsError
from captioner.models.describer.answers import LONGEST_WAIT, SLOWEST, pause_before, seconds_to_wait
from captioner.models.describer.looking import PROMPT, RULES, Estimate, Looking
from captioner.models.describer.openai import GIVE_UP, Chat, Options, load
from captioner.models.describer.wording import plain, refused, whole_sentences
from captioner.models.protocols import Description, View
from captioner.types import Cut
from tests.vision import MODEL, Reply, Request, Server, fails, says, view

KEY = "sk-secret-0123456789"


# --- what is made of an answer ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("A man sits at a desk. He looks up.", "A man sits at a desk. He looks up."),
        ("The image shows a woman in a red coat.", "A woman in a red coat."),
        ("These frames depict a man at a desk.", "A man at a desk."),
        ("This short video clip shows us a dog.", "A dog."),
        ("This series of frames captures a man in a suit.", "A man in a suit."),
        ("In this video, we can see a boy by a river.", "A boy by a river."),
        ("Throughout the clip, the camera is still.", "The camera is still."),
        ("**Description:** A man walks.", "A man walks."),
        ("Sure! Here's a description of the clip:\n\nA man walks.", "A man walks."),
        ("Here is what the frames show: A man walks.", "A man walks."),
        ("# Scene\n- A **man** at a desk\n- lit from the *left*.", "Scene. A man at a desk. Lit from the left."),
        ("1. A man sits.\n2) He rises.", "A man sits. He rises."),
        ("A [man](http://x.example) in `blue`", "A man in blue"),
        ('"A woman sits by a window."', "A woman sits by a window."),
        ("<think>What is this? A dog?</think>\n\nA cat runs.", "A cat runs."),
        ("A cat runs. A cat runs. A cat runs.", "A cat runs."),
        ("A man\u2028walks\tby.\nHe waves\nat us.", "A man walks by. He waves at us."),
        ("A man walks by\n\nHe waves", "A man walks by. He waves"),
        ("一个女人坐在窗边。她穿红色外套。", "一个女人坐在窗边。她穿红色外套。"),
        ('A sign reads "EXIT" above a door.', 'A sign reads "EXIT" above a door.'),
        ("A woman speaks into a microphone in a music studio.", "A woman speaks into a microphone in a music studio."),
    ],
)
def test_an_answer_becomes_plain_sentences(answer: str, text: str) -> None:
    assert plain(answer) == text


@pytest.mark.parametrize(
    "invented",
    [
        'She says "hello there".',
        "She says, 'hello there' and waves.",
        "A man calls out: 'Stop!' and runs.",
        "“Come in,” he says.",
        "Soft music can be heard.",
        "Music plays.",
        "There is no sound.",
        "The sound of rain fills the room.",
        "We hear a dog.",
        "He speaks in a calm, deep voice.",
        "A narrator explains the scene.",
        "The background music is slow.",
        "She remains silent.",
        "\nSpeech: “I never said that”",
        "\nSounds: birds, wind",
        "\n**Audio:** none",
    ],
)
def test_what_a_picture_cannot_say_is_dropped(invented: str) -> None:
    assert plain(f"A woman sits by a window. {invented}\nShe wears red.") == "A woman sits by a window. She wears red."
    assert plain(invented) is None


@given(st.text(max_size=200))
def test_whatever_comes_is_one_line_or_nothing(answer: str) -> None:
    text = plain(answer)
    assert text is None or (text.strip() == text != "" and not set(text) & set("\n\r\t[]{}"))


@pytest.mark.parametrize(
    ("answer", "no"),
    [("I'm sorry, I can't help with that.", True), ("I’m unable to describe people.", True), ("Sorry, no.", True),
     ("I cannot assist.", True), ("A sorry sight: a man in rags.", False), ("A man cannot reach a shelf.", False)],
)  # fmt: skip
def test_refusals(answer: str, no: bool) -> None:
    assert refused(answer) == no


def test_what_was_cut_off_ends_with_its_last_whole_sentence() -> None:
    assert whole_sentences("A man sits. He wears a blu") == "A man sits."
    assert whole_sentences("A man sits. He is old.") == "A man sits. He is old."
    assert whole_sentences("A man who") is None


def test_a_persons_own_words_go_first_and_quotes_never_look_like_speech() -> None:
    seen = Cut("take", 0, 49, Fraction(25), (), visual='A sign reads "EXIT" above a door.')
    assert visual(seen, CaptionSettings("ema")) == "A sign reads 'EXIT' above a door"
    assert visual(seen, CaptionSettings("ema", visual="A red door.")) == "A red door"
    assert visual(Cut("take", 0, 49, Fraction(25), ()), CaptionSettings("ema")) is None


# --- what is looked at, and what it costs -------------------------------------------------------------------------


@given(
    st.integers(1, 2000), st.sampled_from([Fraction(24), Fraction(25), Fraction(30000, 1001)]),
    st.floats(0.05, 60), st.integers(1, 64),
)  # fmt: skip
def test_the_frames_looked_at_are_spread_over_the_clip(length: int, rate: Fraction, fps: float, most: int) -> None:
    moments = Looking(fps=fps, frames=most).moments(length, rate)
    assert list(moments) == sorted(set(moments))
    assert 1 <= len(moments) <= min(most, length)
    assert moments[0] >= 0
    assert moments[-1] < length
    gaps = [b - a for a, b in zip((-moments[0] - 1, *moments), (*moments, 2 * length - moments[-1]), strict=True)]
    assert max(gaps) - min(gaps) <= 2, "evenly, half a gap at either end"
    if len(moments) < min(most, length):
        assert abs(len(moments) - float(length / rate) * fps) <= 1


def test_the_estimate_counts_clips_frames_tokens_and_money() -> None:
    options = Looking(price_in=2.0, price_out=10.0, max_tokens=100, prompt="x" * (400 - len(RULES) - 1))
    estimate = Estimate().plus(options, 4, (500, 300)).plus(options, 2, (500, 300), clips=10)
    assert (estimate.clips, estimate.frames, estimate.tokens_out) == (11, 24, 1100)
    assert estimate.tokens_in == 11 * 100 + 24 * (85 + 200)
    assert estimate.cost(options) == pytest.approx((7940 * 2 + 1100 * 10) / 1e6)
    assert estimate.said(options) == (
        "11 clips to describe, 24 frames, about 7,940 tokens to send to the describer and at most 1,100 to get: "
        "about 0.027 at the prices given"
    )
    assert Estimate().cost(Looking()) is None


def test_whatever_is_asked_for_sound_and_names_are_forbidden() -> None:
    for options in (Looking(), Looking(prompt="Say the colours.")):
        assert options.question.endswith(RULES)
        for word in ("said", "heard", "names", "quote"):
            assert word in RULES
    assert Looking().question.startswith(PROMPT)


# --- pauses -------------------------------------------------------------------------------------------------------


@given(st.integers(1, 20), st.floats(0, 10), st.one_of(st.none(), st.floats(0, 1000)), st.floats(0, 1))
def test_pauses_grow_vary_and_never_undercut_the_server(
    attempt: int, base: float, after: float | None, roll: float
) -> None:
    pause = pause_before(attempt, base, after, roll)
    if after is None:
        assert min(SLOWEST, base * 2 ** (attempt - 1)) / 2 <= pause <= SLOWEST
        assert pause_before(attempt + 1, base, None, roll) >= pause
    else:
        assert after <= pause <= after + 1


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert [seconds_to_wait(text, now) for text in ("7", "0", "1.5")] == [7, 0, 1.5]
    assert seconds_to_wait(format_datetime(now + timedelta(seconds=90), usegmt=True), now) == 90
    assert seconds_to_wait(format_datetime(now - timedelta(seconds=90), usegmt=True), now) == 0
    assert seconds_to_wait("soon", now) is None
    assert seconds_to_wait(None, now) is None


# --- a server and its faults --------------------------------------------------------------------------------------

GOOD = says("A red wall.")


class Pauses(list[float]):
    """What would have been waited for."""

    def __call__(self, _stop: threading.Event, seconds: float) -> None:
        self.append(seconds)


def ask(server: Server, *views: View, key: str = KEY, pauses: Pauses | None = None, **options: Any) -> dict[str, Any]:
    given = {"model": MODEL, "base_url": server.url, "concurrency": 1, "backoff": 0, **options}
    chat = Chat(Options(**given), key) if pauses is None else Chat(Options(**given), key, pauses)
    return {seen.id: answer for seen, answer in chat.describe(views or [view("one")])}


def script(*replies: Reply, then: Reply = GOOD) -> Server:
    """Answers with these in order, then always with `then`."""
    return Server(lambda _request, number: replies[number] if number < len(replies) else then)


def test_the_request_is_what_the_protocol_asks_for() -> None:
    with script() as server:
        found = ask(server, view("one", (200, 20, 20), (20, 20, 200), size=(120, 80)), max_tokens=77)
    assert found == {"one": Description("A red wall.", 1000, 50)}
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    body = request.body
    assert {name: body[name] for name in body if name != "messages"} == {
        "model": MODEL, "max_tokens": 77, "temperature": 0, "stream": False,
    }  # fmt: skip
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert request.question == Options(model="m").question
    assert [picture.shape for picture in request.pictures] == [(80, 120, 3), (80, 120, 3)]
    assert [int(picture.mean(axis=(0, 1)).argmax()) for picture in request.pictures] == [0, 2], "red, then blue"


def test_without_a_key_none_is_sent() -> None:
    with script() as server:
        ask(server, key="")
    assert "authorization" not in server.requests[0].headers


def test_extra_fields_are_sent_and_null_takes_one_away() -> None:
    with script() as server:
        ask(server, extra={"temperature": None, "top_p": 0.5, "max_tokens": 9})
    body = server.requests[0].body
    assert "temperature" not in body
    assert (body["top_p"], body["max_tokens"]) == (0.5, 9)


def test_parameters_that_a_model_refuses_are_replaced_once_for_all() -> None:
    def picky(request: Request, _number: int) -> Reply:
        for name in ("max_tokens", "temperature"):
            if name in request.body:
                return fails(400, f"Unsupported parameter: {name}", "unsupported_parameter", name)
        return GOOD

    with Server(picky) as server:
        found = ask(server, view("one"), view("two"), retries=0)
    assert [answer.text for answer in found.values()] == ["A red wall."] * 2
    assert len(server.requests) == 4, "two refusals, then one question a clip"
    assert server.requests[-1].body["max_completion_tokens"] == 200


def test_no_more_questions_are_under_way_than_allowed() -> None:
    gate = threading.Event()
    waiting = threading.Semaphore(0)

    def slow(_request: Request, _number: int) -> Reply:
        waiting.release()
        return Reply(GOOD.status, GOOD.body, after=gate)

    def open_when_three_wait() -> None:
        for _ in range(3):
            waiting.acquire(timeout=10)
        gate.set()

    opener = threading.Thread(target=open_when_three_wait)
    opener.start()
    with Server(slow) as server:
        found = ask(server, *(view(str(number)) for number in range(12)), concurrency=3)
    opener.join()
    assert len(found) == 12
    assert server.most_at_once == 3


def test_a_busy_server_is_given_the_time_it_asks_for() -> None:
    pauses = Pauses()
    busy = fails(429, "slow down", Retry_After="7")
    with script(busy, busy) as server:
        found = ask(server, pauses=pauses, backoff=0.5)
    assert found["one"] == Description("A red wall.", 1000, 50)
    assert len(server.requests) == 3
    assert all(7 < pause <= 8 for pause in pauses)


def test_a_server_that_wants_too_long_a_pause_is_left_for_the_next_build() -> None:
    pauses = Pauses()
    with script(fails(429, "daily limit", Retry_After=str(LONGEST_WAIT * 2))) as server:
        found = ask(server, pauses=pauses)
    assert isinstance(found["one"], DescriptionError)
    assert "daily limit" in str(found["one"])
    assert (len(server.requests), pauses) == (1, [])


@pytest.mark.parametrize(
    "fault",
    [fails(500, "boom"), fails(503), fails(502, "bad gateway"), fails(408), Reply(GOOD.status, GOOD.body, cut=True),
     Reply(504, b"<html>gateway</html>")],
    ids=["500", "503", "502", "408", "cut off", "504 in HTML"],
)  # fmt: skip
def test_what_may_pass_is_tried_again(fault: Reply) -> None:
    pauses = Pauses()
    with script(fault, fault) as server:
        found = ask(server, pauses=pauses, retries=2, backoff=1)
    assert found["one"].text == "A red wall."
    assert len(server.requests) == 3
    assert 0.5 <= pauses[0] <= 1 <= pauses[1] <= 2


def test_a_server_that_stays_ill_is_told_of_with_its_own_words() -> None:
    with script(then=fails(500, "CUDA out of memory")) as server:
        found = ask(server, retries=3)
    assert isinstance(found["one"], DescriptionError)
    assert "500: CUDA out of memory" in str(found["one"])
    assert len(server.requests) == 4


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "a byte now and then"])
def test_a_server_that_hangs_is_left_after_the_time_out(drips: bool) -> None:
    """One time-out for the whole answer: a byte now and then is as good as none."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def hang() -> None:
            while not done.is_set():
                listener.settimeout(0.05)
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    if drips:
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                    for _ in range(200):
                        if done.wait(0.01):
                            break
                        try:
                            connection.sendall(b" " if drips else b"")
                        except OSError:
                            break

        thread = threading.Thread(target=hang)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        chat = Chat(Options(model=MODEL, base_url=url, timeout=0.15, retries=1, backoff=0), "")
        ((_, answer),) = chat.describe([view("one")])
        done.set()
        thread.join()
    assert isinstance(answer, DescriptionError)
    assert "no answer within 0.15 s; raise timeout" in str(answer)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (fails(401, f"Incorrect API key provided: {KEY}"), "does not accept the key in OPENAI_API_KEY .*set"),
        (fails(404, f"The model `{MODEL}` does not exist."), f"has no model '{MODEL}'"),
        (fails(404, "nope", "model_not_found"), f"has no model '{MODEL}'"),
        (Reply(404, b"404 page not found"), "is not there .*usually ends in /v1"),
        (fails(429, "You exceeded your current quota", "insufficient_quota"), "no credit left"),
        (Reply(307, b"", {"Location": "https://elsewhere.example/"}), "leads elsewhere"),
    ],
    ids=["401", "model", "model by code", "path", "quota", "redirect"],
)
def test_what_is_wrong_for_everybody_is_asked_once(fault: Reply, said: str) -> None:
    pauses = Pauses()
    with script(then=fault) as server:
        found = ask(server, *(view(str(number)) for number in range(20)), pauses=pauses)
    assert len(server.requests) == 1
    assert pauses == []
    assert all(isinstance(answer, DescriberDown) for answer in found.values())
    assert len({str(answer) for answer in found.values()}) == 1
    with pytest.raises(DescriberDown, match=said):
        raise found["0"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (fails(400, "this model does not support images"), "400: this model does not support images.*take pictures"),
        (fails(403, "flagged"), "403: flagged"),
        (fails(413, "too large"), "413: too large"),
        (Reply(200, b"<!doctype html><p>Welcome"), "not JSON .*/v1"),
        (Reply(200, b'{"choices": [{"message": {"cont'), "not JSON"),
        (Reply(200, b'{"object": "list", "data": []}'), "no chat completion"),
        (Reply(200, b'{"error": {"message": "upstream is down"}}'), "upstream is down"),
        (Reply(200, b'{"choices": "none"}'), "no chat completion"),
        (Reply(200, b"\xff\xfe"), "not JSON"),
        (Reply(200, b'{"choices": []}'), "no answer at all"),
        (says(None), "said nothing"),
        (says("   "), "said nothing"),
        (says('She says "hello".'), "said nothing of what is seen"),
        (says("I'm sorry, I can't help with that."), "refused"),
        (says(None, refusal="I will not."), "refused .I will not"),
        (says("", "content_filter"), "refused"),
        (says("A man who", "length"), "raise max_tokens"),
        (says(None, "length"), "raise max_tokens"),
    ],
)
def test_one_clips_fault_costs_no_other_and_is_not_asked_again(fault: Reply, said: str) -> None:
    with script(GOOD, fault) as server:
        found = ask(server, view("good"), view("bad"), view("also good"))
    assert len(server.requests) == 3
    assert found["good"] == found["also good"] == Description("A red wall.", 1000, 50)
    assert not isinstance(found["bad"], DescriberDown)
    with pytest.raises(DescriptionError, match=said):
        raise found["bad"]


def test_an_answer_cut_off_keeps_its_whole_sentences() -> None:
    with script(says("A man sits. He wears a blu", "length")) as server:
        assert ask(server)["one"].text == "A man sits."


def test_an_answer_in_parts_is_read() -> None:
    parts = [{"type": "text", "text": "A man"}, {"type": "text", "text": "sits."}]
    body = json.dumps({"choices": [{"message": {"content": parts}}]}).encode()
    with script(Reply(200, body)) as server:
        assert ask(server)["one"] == Description("A man sits.", None, None)


def test_a_row_of_failures_ends_the_asking_and_a_success_breaks_the_row() -> None:
    bad = fails(400, "no")
    views = [view(str(number)) for number in range(30)]
    with Server(lambda _request, number: GOOD if number == GIVE_UP - 1 else bad) as server:
        found = list(ask(server, *views).values())
    assert len(server.requests) == 2 * GIVE_UP
    assert sum(isinstance(answer, Description) for answer in found) == 1
    assert all(isinstance(answer, DescriberDown) for answer in found[2 * GIVE_UP :])
    assert f"{GIVE_UP} clips in a row" in str(found[-1])


def test_where_nothing_listens_the_error_asks_for_the_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    pauses = Pauses()
    found = dict(Chat(Options(model=MODEL, base_url=url), "", pauses).describe([view("one"), view("two")]))
    assert pauses == []
    for answer in found.values():
        assert isinstance(answer, DescriberDown)
        assert f"nothing answers at {url}/chat/completions" in str(answer)
        assert "is the server running there?" in str(answer)


def test_the_key_comes_from_the_environment_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")
    with script(then=fails(401, f"bad key {KEY}")) as server:
        options = Options(model=MODEL, base_url=server.url, key_variable="MY_KEY")
        ((_, answer),) = load(options).describe([view("one")])
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "bad key ***" in str(answer)
    assert KEY not in str(answer) + repr(options)
    for wrong in ("secret\nHeader: x", "s\u00e9cret"):
        monkeypatch.setenv("MY_KEY", wrong)
        with pytest.raises(SettingsError, match="MY_KEY") as caught:
            load(options)
        assert "cret" not in str(caught.value).replace("secret", "", 0).replace("MY_KEY", "")


def test_the_hosted_endpoint_wants_a_key_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        load(Options(model="m"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"base_url": "localhost:8000"}, "base_url"), ({"base_url": "ftp://x/v1"}, "base_url"),
     ({"base_url": "http://me:pass@x/v1"}, "environment"), ({"base_url": "http://x/v1?key=abc"}, "environment"),
     ({"key_variable": "sk-abc-123"}, "name of an environment variable"), ({"timeout": 0}, "timeout"),
     ({"retries": -1}, "retries"), ({"concurrency": 0}, "concurrency"), ({"backoff": "1"}, "backoff"),
     ({"extra": [1]}, "extra")],
    ids=str,
)  # fmt: skip
def test_options_of_the_endpoint(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        Options(**{"model": "m", **wrong})
    assert not {"pass", "abc"} & set(str(caught.value).replace("@", " ").replace("-", " ").split())


@pytest.mark.parametrize("base", ["http://x/v1", "http://x/v1/", "http://x/v1/chat/completions"])
def test_the_address_may_be_given_in_three_ways(base: str) -> None:
    assert Options(model="m", base_url=base).url == "http://x/v1/chat/completions"
