"""Transformer encoders of the library transformers as chains of blocks.

The input is int64 (N, 2, L), token numbers and mask; between blocks runs a pair: hidden (N, L, H) and mask (N, L).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from regraft.backbones.base import Body, masked_mean
from regraft.backbones.shapes import weights_without_storage
from regraft.core.errors import InputError, WeightsError
from regraft.text.words import need

State = tuple[Tensor, Tensor]
POOLINGS = ("mean", "cls", "max")
_NOT_CONFIG = ("_name_or_path", "transformers_version", "architectures", "torch_dtype", "dtype", "use_cache")
_LAYERS: dict[str, str] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra"), "encoder.layer"),
    "distilbert": "transformer.layer",
}


class Embeddings(nn.Module):
    """(N, 2, L) -> pair; positions and token types as the model's own module chooses them."""

    def __init__(self, embeddings: nn.Module, project: nn.Module | None = None) -> None:
        super().__init__()
        self.embeddings, self.project = embeddings, project

    @property
    def word_vectors(self) -> nn.Parameter:
        """(tokens, H), see `regraft.backbones.base.word_vectors`."""
        return self.embeddings.word_embeddings.weight  # type: ignore[union-attr, return-value]

    def forward(self, x: Tensor) -> State:
        hidden = self.embeddings(input_ids=x[:, 0])
        return (hidden if self.project is None else self.project(hidden)), x[:, 1].bool()


class Layer(nn.Module):
    """Pair -> pair through one layer of the model."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, state: State) -> State:
        hidden, mask = state
        out = self.layer(hidden, attention_mask=mask[:, None, None, :])
        return (out[0] if isinstance(out, tuple) else out), mask


class Whole(nn.Module):
    """(N, 2, L) -> pair through a whole model, of whose inside nothing is known."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    @property
    def word_vectors(self) -> nn.Parameter:
        """(tokens, H), see `regraft.backbones.base.word_vectors`."""
        return self.model.get_input_embeddings().weight  # type: ignore[operator, no-any-return]

    def forward(self, x: Tensor) -> State:
        out = self.model(input_ids=x[:, 0], attention_mask=x[:, 1])
        return out.last_hidden_state, x[:, 1].bool()


class MaskedPool(nn.Module):
    """Pair -> (N, H) in float32: the mean over the tokens, the first of them, or the largest of each feature."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def extra_repr(self) -> str:
        return self.kind

    def forward(self, state: State) -> Tensor:
        hidden, mask = state
        if self.kind == "cls":
            return hidden[:, 0].float()
        if self.kind == "max":
            return hidden.masked_fill(~mask[:, :, None], -torch.inf).amax(1).float()
        return masked_mean(hidden, mask)


def recipe_of(config: dict[str, Any], pooling: str, where: str) -> dict[str, Any]:
    """What `build` needs; raises ``InputError`` where the model brings code or is of a kind that is not read."""
    if config.get("auto_map"):
        raise InputError(
            f"{where} wants to run code of its own (auto_map), which regraft never does: take another model."
        )
    if not isinstance(config.get("model_type"), str):
        raise WeightsError(f"{where} names no model_type: it is not the configuration of a transformer.")
    if config.get("is_encoder_decoder"):
        raise InputError(
            f"{where} describes an encoder with a decoder ({config['model_type']}); regraft takes encoders."
        )
    kept = {k: v for k, v in config.items() if k not in (*_NOT_CONFIG, "model_type")}
    return {"library": "transformers", "architecture": config["model_type"], "config": kept, "pooling": pooling}


def build(recipe: dict[str, Any], *, initialise: bool = False) -> Any:
    """The model of a recipe without its unused pooler. With ``initialise`` its weights are always the same draw, else
    they have shapes but no storage yet.
    """
    transformers = need("transformers", f"A network of the kind {recipe['architecture']}")
    given = recipe_of({**recipe["config"], "model_type": recipe["architecture"]}, recipe["pooling"], "The model")[
        "config"
    ]
    try:
        config = transformers.AutoConfig.for_model(recipe["architecture"], **given)
        make = _maker(transformers.AutoModel, config)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = make() if initialise else _undrawn(make)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"A transformer of the kind {recipe['architecture']!r} cannot be built: {error}.") from error
    return without_pooler(model)


def without_pooler(model: Any) -> Any:
    """The model without a pooler of its own weights, which other tasks than its pretraining have no use for."""
    pooler = getattr(model, "pooler", None)
    if pooler is not None and any(True for _ in pooler.parameters()):
        model.pooler = None
    return model.float().eval()


def _maker(auto: Any, config: Any) -> Callable[[], Any]:
    def make() -> Any:
        options = {"trust_remote_code": False, "dtype": torch.float32}
        try:
            return auto.from_config(config, attn_implementation="sdpa", **options)
        except ValueError as error:
            if "scaled_dot_product_attention" not in str(error):
                raise
            return auto.from_config(config, attn_implementation="eager", **options)

    return make


def _undrawn(make: Callable[[], Any]) -> Any:
    """The model with weights that have no storage; drawn where it computes something out of such."""
    with weights_without_storage():
        model = make()
    return make() if any(b.is_meta for b in model.buffers()) else model


def body_of(model: Any, recipe: dict[str, Any]) -> Body:
    """The model's parts as blocks: ``embeddings``, ``layer.0`` and so on; ``network`` where its kind is not known."""
    layers = _LAYERS.get(recipe["architecture"])
    pool = MaskedPool(recipe["pooling"])
    if layers is None or recipe["config"].get("is_decoder"):
        return Body([("network", Whole(model))], pool)
    first = Embeddings(model.embeddings, getattr(model, "embeddings_project", None))
    rest = [(f"layer.{i}", Layer(layer)) for i, layer in enumerate(model.get_submodule(layers))]
    return Body([("embeddings", first), *rest], pool)


def weights_for(model: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file under the model's own names: without the prefix and the heads of the task it was trained
    for, and with ``gamma`` and ``beta`` by their present names.
    """
    prefix = f"{model.base_model_prefix}."
    prefixed = any(k.startswith(prefix) for k in state)
    found = {}
    for key, value in state.items():
        if prefixed and not key.startswith(prefix):
            continue
        key = key.removeprefix(prefix).replace("LayerNorm.gamma", "LayerNorm.weight")
        key = key.replace("LayerNorm.beta", "LayerNorm.bias")
        if not key.startswith(("pooler.", "cls.", "lm_head.")) and not key.endswith(".position_ids"):
            found[key] = value
    return found


def longest(recipe: dict[str, Any]) -> int:
    """How many tokens the model takes at most."""
    config = recipe["config"]
    positions = config.get("max_position_embeddings") or 512
    offset = recipe["architecture"] in ("roberta", "xlm-roberta", "camembert", "mpnet")
    return int(positions) - (int(config.get("pad_token_id") or 1) + 1 if offset else 0)
