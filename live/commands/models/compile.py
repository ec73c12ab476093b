"""`visavis models compile`: builds TensorRT's engines before the first call needs them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from engines import registry
from engines.backends import model_file
from engines.backends.tensorrt import package
from engines.errors import BackendUnavailable
from engines.portrait_models import PortraitModels
from engines.types import ModelSpec
from engines.weights import ModelStore
from live import settings
from live.commands.models import sets


def run(args: argparse.Namespace) -> int:
    """Builds every network of the set; the first that cannot be built ends it."""
    models = ModelStore(settings.load(args.config).models.folder)
    portrait = PortraitModels(sets.meant(args.network, models.folder), untrained=True)
    specs = list(_specs(portrait, args.precision))
    if args.capability:
        _try(specs, args.capability)
    else:
        _keep(specs, args.backend)
    return 0


def _specs(models: PortraitModels, precisions: Sequence[str] | None) -> Iterator[ModelSpec]:
    for name in models.card.artefacts:
        for precision in models.precisions(name):
            if not precisions or precision in precisions or len(models.precisions(name)) == 1:
                yield models.spec(name, precision)


def _try(specs: Sequence[ModelSpec], capabilities: Sequence[str]) -> None:
    """Builds ahead of time, without a GPU; what comes out is weighed and thrown away."""
    found = package.find()
    if not found.rtx:
        raise BackendUnavailable(
            f"{found.name} {found.version} builds for the GPU that is here only; for others it"
            " takes TensorRT-RTX, alone: pip install 'visavis[rtx]'"
        )
    from engines.backends.tensorrt import build  # noqa: PLC0415  imports TensorRT

    target = "+".join(capabilities)
    for spec in specs:
        made = build.build(
            model_file.content(spec), spec.name, capabilities=capabilities, shapes=spec.inputs
        )
        print(
            f"{spec.name}: {made.layers} layers for {target}, {len(made.plan) / 1e6:.1f} MB in"
            f" {made.parse_s + made.build_s:.1f} s",
            flush=True,
        )


def _keep(specs: Sequence[ModelSpec], backend: str) -> None:
    """Builds for the GPU that is here, where the next start finds it."""
    load = registry.load("backends", backend)
    examined = load.examine()
    if not examined.usable:
        raise BackendUnavailable(
            f"{backend}: {examined.trouble}; {examined.mend}. To see whether the networks can be"
            " built for other GPUs, name their kind: --capability SM89"
        )
    for spec in specs:
        load(spec).close()
        print(f"{spec.name}: ready for {examined.device}", flush=True)
