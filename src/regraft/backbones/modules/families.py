"""Model objects of torchvision, timm and transformers as networks that regraft builds by itself again: nothing but
their weights has to be kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from regraft.backbones import catalog
from regraft.backbones import timm_models as zoo
from regraft.backbones.base import Body, Pretrained
from regraft.backbones.blocks import Chain, chain_of
from regraft.backbones.huggingface import image as pictures
from regraft.backbones.modules.contract import close, example
from regraft.backbones.modules.own import GIVEN
from regraft.backbones.modules.specs import is_tokenizer, spec_of
from regraft.backbones.text import transformer
from regraft.backbones.text.catalog import body_of as body_of_texts
from regraft.backbones.text.tokeniser import MOST_WINDOWS, TOKENISER, Subwords
from regraft.core.errors import InputError, RegraftError
from regraft.core.runtime import say
from regraft.core.types import PreprocessSpec
from regraft.core.vision import torchvision
from regraft.text.words import need


def library_of(module: nn.Module) -> str:
    """The library that a model object comes from, "" where it is the user's own class."""
    root = type(module).__module__.partition(".")[0]
    return root if root in ("torchvision", "timm", "transformers") else ""


def without_head(module: Any) -> nn.Module:
    """A model object as a module of features: those of timm and transformers without the head of their task."""
    library = library_of(module)
    if library == "timm" and hasattr(module, "forward_head") and hasattr(module, "reset_classifier"):
        module.reset_classifier(0)
        return zoo.Features(module)
    if library == "transformers" and hasattr(module, "base_model"):
        return pictures.Features(transformer.without_pooler(module.base_model))
    return module  # type: ignore[no-any-return]


def known(module: Any, given: Any) -> Pretrained | None:
    """The network of a model object (a copy) of a known library, None where it cannot be built again from its name and
    the same answers come out.
    """
    library = library_of(module)
    if library == "torchvision":
        return _torchvision(module, given)
    if library == "timm":
        return _timm(module, given)
    return _transformers(module, given) if library == "transformers" else None


def stated_spec(module: Any, given: Any) -> PreprocessSpec | None:
    """``given``, else the preprocessing that a model of timm's states itself; None where neither tells."""
    if given is not None:
        return spec_of(given)
    if library_of(module) == "timm" and getattr(module, "pretrained_cfg", None):
        return zoo.spec_of(need("timm", "A model of timm's", "timm"), dict(module.pretrained_cfg))
    return None


def _torchvision(net: nn.Module, given: Any) -> Pretrained | None:
    for row, recipe in _candidates(net):
        chain_function = chain_of(row.architecture)
        assert chain_function is not None
        try:
            own, made = chain_function(net), chain_function(catalog.build(recipe))
        except (AttributeError, TypeError, IndexError, ValueError):  # a part that the family has is gone
            continue
        if not (_same_head(own, made) and _same_shapes(Body(own.blocks, own.pool), Body(made.blocks, made.pool))):
            continue
        spec = row.spec if given is None else spec_of(given)
        body = Body(made.blocks, made.pool)
        body.load_state_dict(Body(own.blocks, own.pool).state_dict(), strict=True, assign=True)
        x = example(spec)
        with torch.no_grad():
            if not close(own.head(body.eval()(x)), net(x)):
                continue
        if given is None:
            say(f"pictures are prepared as {row.name}'s weights {row.tag} want them; spec=weights names others")
        return Pretrained(row.name, body.freeze(), None, spec, recipe, (), dict(GIVEN))
    return None


def _candidates(net: nn.Module) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The rows of its class, those of its number of parameters first, each with its recipe."""
    models, size = torchvision.models, sum(p.numel() for p in net.parameters())
    builders: dict[str, Any] = {n: models.get_model_builder(n) for n in models.list_models(module=models)}
    alike = [n for n, one in builders.items() if one.__module__ == type(net).__module__ and chain_of(n)]
    for row in sorted((catalog.rows(n)[0] for n in alike), key=lambda r: abs((r.parameters or 0) - size)):
        recipe = catalog.recipe_of(row)
        if row.name.startswith("vit_"):
            recipe["arguments"] = {"image_size": net.image_size}
        yield row, recipe


def _same_head(own: Chain, made: Chain) -> bool:
    """Whether the head is that of the family, with any number of classes, or its last layer nothing at all."""
    ours, theirs = ([m for m in chain.head.modules() if not [*m.children()]] for chain in (own, made))
    kinds = [[type(m) for m in leaves] for leaves in (ours, theirs)]
    return kinds[0] == kinds[1] or (kinds[0][:-1] == kinds[1][:-1] and kinds[0][-1:] == [nn.Identity])


def _same_shapes(a: nn.Module, b: nn.Module) -> bool:
    ours, theirs = ({k: v.shape for k, v in one.state_dict().items()} for one in (a, b))
    return ours == theirs


def _timm(net: Any, given: Any) -> Pretrained | None:
    timm = need("timm", "A model of timm's", "timm")
    architecture = dict(getattr(net, "pretrained_cfg", None) or {}).get("architecture")
    spec = stated_spec(net, given)
    if not architecture or not timm.is_model(architecture) or spec is None:
        return None
    recipe = {"library": "timm", "architecture": architecture, "arguments": {}}
    return _filled(str(architecture), zoo.rebuilt(recipe), without_head(net), spec, recipe)


def _transformers(net: Any, given: Any) -> Pretrained | None:
    kind = type(net).__name__
    if given is None:
        raise InputError(f"backbone={kind} needs spec=, the image processor or the fast tokenizer that belongs to it.")
    config = net.config.to_dict()
    if is_tokenizer(given):
        return _texts(net, config, given, kind)
    spec, recipe = spec_of(given), transformer.recipe_of(config, "picture", f"The configuration of {kind}")
    return _filled(str(recipe["architecture"]), pictures.rebuilt(recipe), without_head(net), spec, recipe)


def _texts(net: Any, config: dict[str, Any], tokenizer: Any, kind: str) -> Pretrained:
    recipe = transformer.recipe_of(config, "mean", f"The configuration of {kind}")
    recipe["pad"] = config.get("pad_token_id") or 0
    data = str(getattr(tokenizer, "backend_tokenizer", tokenizer).to_str()).encode()
    longest = min(transformer.longest(recipe), int(getattr(tokenizer, "model_max_length", 1 << 30)))
    spec = PreprocessSpec(modality="text", tokens=longest, windows=MOST_WINDOWS)
    rows = len(net.get_input_embeddings().weight)
    made = Subwords(data, spec, recipe["pad"])
    if made.rows > rows:
        raise InputError(f"spec= numbers {made.rows} tokens and backbone={kind} has vectors for {rows}: the tokenizer "
                         "does not belong to the model.")  # fmt: skip
    own = transformer.body_of(transformer.without_pooler(net.base_model), recipe)
    found = _filled(str(recipe["architecture"]), body_of_texts(recipe), own, spec, recipe)
    if found is None:
        raise InputError(f"backbone={kind} is not built by its configuration alone, and modules on texts are taken "
                         "where they are: save_pretrained(FOLDER), then backbone='FOLDER'.")  # fmt: skip
    found.files = {TOKENISER: data}
    return found


def _filled(name: str, made: Body, own: nn.Module, spec: PreprocessSpec, recipe: dict[str, Any]) -> Pretrained | None:
    """The network ``made`` of a recipe with the weights of ``own``; None where they do not fit, or answers differ."""
    theirs = own if isinstance(own, Body) else Body([("network", own)], nn.Identity())
    if not _same_shapes(made, theirs):
        return None
    made.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    x = example(spec)
    with torch.no_grad():
        if not close(made.float().eval().features(x), theirs.eval().features(x)):
            return None
    return Pretrained(name, made.freeze(), None, spec, recipe, (), dict(GIVEN))


def untrained(network: Pretrained) -> Body:
    """The body of a network that `known` gave, with weights that are always the same draw."""
    recipe = network.recipe
    if network.spec.modality == "text":
        return body_of_texts(recipe, initialise=True)
    if recipe["library"] == "timm":
        return zoo.rebuilt(recipe)
    if recipe["library"] == "transformers":
        return pictures.rebuilt(recipe, initialise=True)
    chain_function = chain_of(recipe["architecture"])
    if chain_function is None:
        raise RegraftError(f"{network.name} is of no known family.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        chain = chain_function(catalog.build(recipe, initialise=True))
    return Body(chain.blocks, chain.pool)
