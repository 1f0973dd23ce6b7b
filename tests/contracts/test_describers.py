"""What every describer backend does: the server's answers and the model's weights are made here, the rest is real."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import DescriptionError, SettingsError
from captioner.models.describer.looking import Looking
from captioner.models.protocols import Describer, Description, View
from captioner.models.registry import backend_module, backends
from tests.vision import MODEL, Reply, Request, Server, fails, says, view

COLOURS = {"red": (200, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 200)}


def by_colour(request: Request, _number: int) -> Reply:
    """A model that sees colours, and no picture that is none."""
    pictures = request.pictures
    if any(picture is None for picture in pictures):
        return fails(400, "cannot identify image file")
    means = [picture.reshape(-1, 3).mean(axis=0) for picture in pictures]
    return says(". ".join(f"A {list(COLOURS)[int(mean.argmax())]} wall" for mean in means) + ".")


def tiny_model(folder: Path) -> Path:
    """A random LLaVA of 16 units whose tokens are sentences: it sees nothing, but everything around it is real."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<pad>", "<s>", "</s>", "<unk>", "<image>", *(f"A {colour} wall." for colour in COLOURS)]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    sizes: dict[str, Any] = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    }  # fmt: skip
    torch.manual_seed(3)
    eye = transformers.CLIPVisionConfig(**sizes, image_size=32, patch_size=8, projection_dim=16)
    mouth = transformers.LlamaConfig(**sizes, vocab_size=len(words), bos_token_id=1, eos_token_id=2, pad_token_id=0)
    config = transformers.LlavaConfig(vision_config=eye, text_config=mouth, image_token_index=4, image_token_id=4)
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    part = "{% if c['type'] == 'image' %}<image> {% else %}{{ c['text'] }} {% endif %}"
    processor = transformers.LlavaProcessor(
        image_processor=transformers.CLIPImageProcessor(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        ),
        tokenizer=transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>",
            additional_special_tokens=["<image>"],
        ),
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template="{% for m in messages %}{% for c in m['content'] %}" + part + "{% endfor %}{% endfor %}",
    )  # fmt: skip
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=sorted(backends("describer")))
def describer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Describer]:
    module = backend_module("describer", request.param)
    assert isinstance(module.VERSION, str)
    assert issubclass(module.Options, Looking)
    if request.param == "transformers":
        if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
            pytest.skip("transformers is not installed")
        folder = tiny_model(tmp_path_factory.mktemp("tiny"))
        yield module.load(module.Options(model=str(folder), device="cpu", max_tokens=8))
    else:
        with Server(by_colour) as server:
            yield module.load(module.Options(model=MODEL, base_url=server.url, backoff=0, concurrency=3))


def answers(describer: Describer, views: list[View]) -> dict[str, Description | DescriptionError]:
    found = list(describer.describe(views))
    assert sorted(view.id for view, _ in found) == sorted(view.id for view in views), "one answer each"
    return {view.id: answer for view, answer in found}


def test_nothing_to_see_gives_no_answer(describer: Describer) -> None:
    assert answers(describer, []) == {}


def test_every_view_has_one_answer_fit_for_a_caption(describer: Describer) -> None:
    views = [
        view(str(number), *list(COLOURS.values())[: 1 + number % 3], size=(31 + number, 40)) for number in range(9)
    ]
    for answer in answers(describer, views).values():
        assert isinstance(answer, Description)
        assert answer.text
        assert answer.text.isprintable()
        assert answer.text.endswith(".")


def test_a_picture_that_is_none_costs_its_own_clip_only(describer: Describer) -> None:
    broken = View("broken", (b"\xff\xd8 no picture",), (0.0,), (64, 48))
    found = answers(describer, [view("before"), broken, view("after")])
    assert isinstance(found["broken"], DescriptionError)
    assert isinstance(found["before"], Description)
    assert found["after"] == found["before"]


def test_the_same_clip_has_the_same_description(describer: Describer) -> None:
    found = answers(describer, [view("one", COLOURS["green"]), view("two", COLOURS["green"])])
    assert found["one"] == found["two"]


def test_views_are_taken_as_they_are_needed(describer: Describer) -> None:
    """So that a thousand clips are not held in memory, and a stopped run has decoded no more than it asked about."""
    taken = 0

    def views() -> Iterator[View]:
        nonlocal taken
        for number in range(50):
            taken += 1
            yield view(str(number))

    given = describer.describe(views())
    next(iter(given))
    assert 1 <= taken <= 6


@pytest.mark.parametrize("name", sorted(backends("describer")))
@pytest.mark.parametrize(
    "wrong",
    [{"fps": 0}, {"fps": "1"}, {"frames": 0}, {"frames": 2.5}, {"side": 10}, {"prompt": " "}, {"max_tokens": True},
     {"price_in": -1}, {"max_cost": 1.0}, {"model": ""}],
    ids=str,
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(name: str, wrong: dict[str, Any]) -> None:
    module = backend_module("describer", name)
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        module.Options(**{"model": MODEL, **wrong})
