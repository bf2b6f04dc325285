"""A tiny transformer in a folder, and texts as items, for tests."""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from regraft.core.types import Modality

LETTERS = [chr(c) for c in range(97, 123)]
WORDS = ["good", "bad", "film", "the", "zhong", "##ng", *"好吃不店的味道,.!"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{c}" for c in LETTERS), *WORDS]
TEXTS = ["good film", "the bad film!", "好吃的店", "味道不好, the food", "a", "", "the good good film . " * 9]


def config_for(kind: str = "bert", **more: object) -> dict:
    plain = {"model_type": kind, "vocab_size": len(VOCABULARY), "max_position_embeddings": 40, "pad_token_id": 0}
    if kind == "distilbert":
        return plain | {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48} | more
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    return plain | sizes | more


def write_model(folder: Path, kind: str = "bert", *, seed: int = 0, **more: object) -> Path:
    """A folder with ``config.json``, ``model.safetensors`` as its library writes them, and ``vocab.txt``."""
    from tokenizers.implementations import BertWordPieceTokenizer
    from transformers import AutoConfig, AutoModel

    folder.mkdir(parents=True, exist_ok=True)
    config = config_for(kind, **more)
    torch.manual_seed(seed)
    model = AutoModel.from_config(AutoConfig.for_model(kind, **{k: v for k, v in config.items() if k != "model_type"}))
    for parameter in model.parameters():  # as drawn, biases are zero and layers hardly differ
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    if kind == "bert":
        (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    else:
        BertWordPieceTokenizer({w: i for i, w in enumerate(VOCABULARY)}).save(str(folder / "tokenizer.json"))
    return folder


class Texts:
    """Texts as items."""

    modality: Modality = "text"

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def __len__(self) -> int:
        return len(self.texts)

    def name(self, i: int) -> str:
        return f"text {i}"

    def digest(self, i: int) -> bytes:
        return hashlib.blake2b(self.texts[i].encode("utf-8", "replace"), digest_size=16).digest()

    def load(self, i: int) -> str:
        return self.texts[i]

    def take(self, indices: np.ndarray) -> "Texts":
        return Texts([self.texts[i] for i in indices])


def array(texts: list[str]) -> np.ndarray:
    return np.array(texts, dtype=object)
