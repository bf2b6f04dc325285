"""How the items of a module are prepared, from what a person has to say so: numbers, or another library's object."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args, get_type_hints

from regraft.core.errors import InputError
from regraft.core.types import PreprocessSpec

WANTED = (
    "a PreprocessSpec, a dict of its fields, the size in pixels, the weights or the preset of torchvision, timm's data "
    "configuration, or an image processor or a fast tokenizer of transformers"
)


def is_tokenizer(given: Any) -> bool:
    """Whether it is a tokenizer that can be written down: of the library tokenizers, or transformers' fast ones."""
    return hasattr(getattr(given, "backend_tokenizer", given), "to_str")


def spec_of(given: Any) -> PreprocessSpec:
    """The preprocessing of pictures that ``given`` means (see ``WANTED``); a size alone is that of a picture stretched
    to it, scaled as torchvision's ImageNet weights want it. Raises ``InputError``.
    """
    if isinstance(given, PreprocessSpec):
        return _checked(given)
    if isinstance(given, int) and not isinstance(given, bool):
        return _checked(PreprocessSpec(height=given, width=given))
    if isinstance(given, tuple | list) and len(given) == 2:
        return _checked(PreprocessSpec(height=given[0], width=given[1]))
    if isinstance(given, dict):
        return _of_timm(given) if "input_size" in given else _checked(_of_fields(given))
    preset = given.transforms() if callable(getattr(given, "transforms", None)) else given
    if hasattr(preset, "crop_size") and hasattr(preset, "resize_size"):
        return of_preset(preset)
    if hasattr(given, "to_dict") and hasattr(given, "image_mean"):
        from regraft.backbones.huggingface import image

        return image.spec_of(given.to_dict(), f"spec={type(given).__name__}")
    raise InputError(f"spec= is {_shown(given)}; wanted is {WANTED}.")


def of_preset(preset: Any) -> PreprocessSpec:
    """The preset that ``weights.transforms()`` of torchvision gives."""
    return PreprocessSpec(
        height=preset.crop_size[0], width=preset.crop_size[0], resize=preset.resize_size[0],
        interpolation=preset.interpolation.value, mean=tuple(preset.mean), std=tuple(preset.std),
    )  # fmt: skip


def _of_timm(given: dict[str, Any]) -> PreprocessSpec:
    from regraft.backbones import timm_models as zoo
    from regraft.text.words import need

    return zoo.spec_of(need("timm", "spec= with an input_size", "timm"), given)


def _of_fields(given: dict[str, Any]) -> PreprocessSpec:
    known = [f.name for f in fields(PreprocessSpec)]
    unknown = [k for k in given if k not in known]
    if unknown:
        raise InputError(f"spec= has no field {unknown[0]!r}; there are {', '.join(known)}.")
    if given.get("colour") == "grey":
        given = {"mean": (0.5,), "std": (0.5,), **given}
    return PreprocessSpec.from_json(given)


def _checked(spec: PreprocessSpec) -> PreprocessSpec:
    """Raises ``InputError`` naming the field that no picture can be prepared by."""
    if spec.modality != "image":
        raise InputError(f"spec= is for {spec.modality} items; modules are taken on pictures, and on texts where spec= "
                         "is the tokenizer of a model of transformers'.")  # fmt: skip
    for name in ("height", "width", "resize"):
        value = getattr(spec, name)
        if (value is None and name != "resize") or (value is not None and not _is_size(value)):
            raise InputError(f"spec= has the {name} {value!r}; wanted are pixels, a whole number from 1.")
    types = get_type_hints(PreprocessSpec)
    for name in ("interpolation", "colour"):
        value, allowed = getattr(spec, name), get_args(types[name])
        if value not in allowed:
            raise InputError(f"spec= has the {name} {value!r}; it is one of {', '.join(allowed)}.")
    channels = 1 if spec.colour == "grey" else 3
    if len(spec.mean) != channels or len(spec.std) != channels or not all(s > 0 for s in spec.std):
        raise InputError(f"spec= has mean {spec.mean} and std {spec.std}; wanted are {channels} numbers each, one a "
                         "channel, and std above 0.")  # fmt: skip
    return spec


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _shown(given: Any) -> str:
    return repr(given) if isinstance(given, str | int | float | tuple | list) else f"a {type(given).__name__}"
