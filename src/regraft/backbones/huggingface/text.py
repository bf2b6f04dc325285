"""Transformers from folders as Hugging Face writes them, and where such folders come from."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from regraft.backbones import licences, weights
from regraft.backbones.base import Pretrained
from regraft.backbones.text import transformer
from regraft.backbones.text.tokeniser import MOST_WINDOWS, TOKENISER, Subwords
from regraft.core.errors import InputError, WeightsError
from regraft.core.files import sha256
from regraft.core.runtime import cache_dir, say
from regraft.core.types import PreprocessSpec
from regraft.text.words import need

CONFIG, POOLING = "config.json", "1_Pooling/config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_SMALL = (
    CONFIG,
    "README.md",
    "preprocessor_config.json",
    TOKENISER,
    "vocab.txt",
    "tokenizer_config.json",
    "modules.json",
    POOLING,
    "sentence_bert_config.json",
)
MOST_SPARE = 1024
"""Rows that a table of embeddings may have beyond its tokens, whatever its size."""
_WORDPIECE = ("bert", "distilbert", "electra")


def read(folder: Path, name: str, *, trained: bool = True) -> Pretrained:
    """The encoder in ``folder``, frozen; untrained (always the same draw) where not ``trained``.

    Raises ``WeightsError`` where a file is missing or does not fit, ``InputError`` where it would run code.
    """
    config = _json(folder / CONFIG)
    pooling = _pooling(folder)
    recipe = transformer.recipe_of(config, pooling, str(folder / CONFIG))
    path = _weights(folder) if trained else None
    model = transformer.build(recipe, initialise=not trained)
    tokeniser = _tokeniser(folder, recipe["architecture"])
    own = _json(folder / "sentence_bert_config.json", missing={}).get("max_seq_length") or transformer.longest(recipe)
    longest = min(int(own), transformer.longest(recipe))
    spec = PreprocessSpec(modality="text", tokens=longest, windows=MOST_WINDOWS)
    recipe["pad"] = getattr(model.config, "pad_token_id", None) or 0
    made = Subwords(tokeniser, spec, recipe["pad"])
    _require_fit(made.rows, len(model.get_input_embeddings().weight), folder)
    provenance: dict[str, Any] = {"weights": "random", "pretrained_on": "nothing",
                                  "licence": licences.stated(folder) or licences.NOT_KNOWN}  # fmt: skip
    if path is not None:
        weights.fill(model, transformer.weights_for(model, weights.read_state(path)), path, str(folder / CONFIG))
        provenance |= {"weights": "a folder of the user's", "file": path.name, "sha256": sha256(path),
                       "pretrained_on": "not known", **published(folder, name)}  # fmt: skip
    body = transformer.body_of(model, recipe)
    network = Pretrained(name, body, None, spec, recipe, (), provenance, files={TOKENISER: tokeniser})
    network.tokeniser = made  # a large one takes seconds to build
    return network


def _require_fit(tokens: int, rows: int, folder: Path) -> None:
    """Raises ``WeightsError`` where a tokeniser numbers more tokens than there are vectors, or so few that it is
    another model's: tables are filled up by some rows, not by a tenth.
    """
    if tokens > rows or rows - tokens > max(MOST_SPARE, rows // 10):
        raise WeightsError(
            f"The tokeniser in {folder} does not belong to the model: it numbers {tokens} tokens and the model has "
            f"vectors for {rows}."
        )


def from_hub(name: str) -> Path:
    """The folder of ``org/name``: the user's, the cache's, or as the Hugging Face hub has it; no code is fetched.

    Raises ``WeightsError`` where it is neither here nor can be fetched.
    """
    if name.count("/") != 1 or not all(name.split("/")):
        raise InputError(f"hf/{name} names no network of the Hugging Face hub: hf/ORG/NAME is wanted.")
    own = cache_dir() / "weights"
    for folder in (*weights.folders(), own):
        if (folder / name / CONFIG).is_file():
            return folder / name
    hub = need("huggingface_hub", f"Fetching hf/{name}")
    say(f"fetching {name} from the Hugging Face hub")
    try:
        for file in WEIGHTS:
            folder = Path(hub.snapshot_download(name, allow_patterns=[*_SMALL, file]))
            if (folder / file).is_file():
                break
    except Exception as error:  # the library lets errors of several others through
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise WeightsError(
            f"hf/{name} is not on this machine and cannot be fetched from https://huggingface.co/{name} ({reason}): "
            f"put its {CONFIG}, {TOKENISER} (or vocab.txt) and {WEIGHTS[0]} into {own / name}."
        ) from error
    return folder


def published(folder: Path, name: str) -> dict[str, str]:
    """What a provenance says of a ``folder`` that was fetched from the hub as ``hf/ORG/NAME``, which may be part of
    ``name``; nothing of one that a person put there.
    """
    on_hub = re.search(r"(?:^|:)hf/([^/@\[]+/[^/@\[]+)", name)
    own = (*weights.folders(), cache_dir() / "weights")
    if on_hub is None or any(folder.is_relative_to(place) for place in own):
        return {}
    return {"weights": "as published", "origin": f"https://huggingface.co/{on_hub[1]}"}


def _json(path: Path, missing: dict[str, Any] | None = None) -> Any:
    if missing is not None and not path.is_file():
        return missing
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read: {error}.") from error
    if not isinstance(found, dict | list):
        raise WeightsError(f"{path} holds no JSON object.")
    return found


def _weights(folder: Path) -> Path:
    path = next((folder / f for f in WEIGHTS if (folder / f).is_file()), None)
    if path is None:
        raise WeightsError(f"{folder} holds no weights: {' or '.join(WEIGHTS)} in one piece is wanted.")
    return path


def _tokeniser(folder: Path, architecture: str) -> bytes:
    """``tokenizer.json`` as it is, or made from a BERT vocabulary."""
    if (folder / TOKENISER).is_file():
        return (folder / TOKENISER).read_bytes()
    vocabulary = folder / "vocab.txt"
    if not vocabulary.is_file() or architecture not in _WORDPIECE:
        raise WeightsError(
            f"{folder} holds no tokeniser that regraft reads: {TOKENISER} is wanted"
            + (", or vocab.txt." if architecture in _WORDPIECE else ".")
        )
    implementations = need("tokenizers.implementations", "A tokeniser")
    settings = _json(folder / "tokenizer_config.json", missing={})
    lower = bool(settings.get("do_lower_case", True))
    words = {w: i for i, w in enumerate(vocabulary.read_text(encoding="utf-8").splitlines())}
    lacking = [w for w in ("[UNK]", "[CLS]", "[SEP]", "[PAD]") if w not in words]
    if lacking:
        raise WeightsError(f"{vocabulary} is no vocabulary of BERT: it lacks {', '.join(lacking)}.")
    made = implementations.BertWordPieceTokenizer(words, lowercase=lower)
    return str(made.to_str()).encode()


def _pooling(folder: Path) -> str:
    """How a sentence-transformers folder pools; the mean for any other."""
    modules = _json(folder / "modules.json", missing={})
    paths = [m["path"] for m in modules if isinstance(m, dict) and str(m.get("type")).endswith(".Pooling")]
    if not paths:
        return "mean"
    path = folder / paths[0] / CONFIG
    settings = _json(path)
    modes = settings.get("pooling_mode") or [
        kind for kind, key in (("mean", "mean_tokens"), ("cls", "cls_token"), ("max", "max_tokens"),
                               ("sqrt", "mean_sqrt_len_tokens"), ("weighted", "weightedmean_tokens"),
                               ("last", "lasttoken")) if settings.get(f"pooling_mode_{key}")]  # fmt: skip
    chosen = [modes] if isinstance(modes, str) else list(modes)
    if len(chosen) != 1 or chosen[0] not in transformer.POOLINGS:
        raise InputError(
            f"{path} pools by {', '.join(chosen) or 'nothing'}; regraft knows mean, cls and max, one of them."
        )
    return str(chosen[0])
