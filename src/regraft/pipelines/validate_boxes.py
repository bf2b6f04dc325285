"""What a fit of a detector is told."""

from __future__ import annotations

from regraft.core.errors import InputError
from regraft.core.runtime import resolve_device
from regraft.features.engines import require
from regraft.methods.finetuning.detector import DEFAULT
from regraft.models.artefact import detector as artefact
from regraft.models.detectors import catalog
from regraft.options.evaluation import CONTROLS
from regraft.options.fit import FitOptions, Meaning, raise_all
from regraft.training import detector as boxes

CONTROL = "scratch"


def with_defaults(options: FitOptions) -> FitOptions:
    """The options with the defaults of detectors; of ``--init`` those of its own."""
    network, training = options.network, options.training
    detector, backbone = network.detector, network.backbone
    if network.init and not detector and not backbone:
        detector, backbone = catalog.named(artefact.recipe_of(network.init))
    return options.changed(method=training.method or DEFAULT, batch=training.batch or boxes.LEARNED,
                           detector=detector or catalog.DEFAULT, backbone=backbone)  # fmt: skip


def check(options: FitOptions, meaning: Meaning) -> None:
    """Raises ``InputError`` naming every option that cannot be meant."""
    controls, method, network = options.evaluation.controls, meaning.method, options.network
    said = []
    if controls not in ("none", CONTROLS, CONTROL):
        said.append(f"--controls {controls} is not for detectors; theirs is {CONTROL}, or none.")
    if controls == method:
        said.append(f"--controls {CONTROL}: the method is its own control; leave one of the two out.")
    if not options.evaluation.refit:
        said.append("--no-refit: detectors are not trained again on the judged pictures.")
    raise_all([*options.wrong(meaning), *map(InputError, [*said, *boxes.wrong(options)])])
    catalog.check(str(network.detector), network.backbone)
    require(network.engine, resolve_device(network.device))
