"""`visavis models export`: a checkpoint, or a seed, becomes a set of ONNX files with a card."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from engines import implicit_map
from engines.portrait_models import FOLDER
from engines.weights import ModelStore
from live import settings
from live.commands.models.torch_needed import torch_needed
from live.errors import SettingsError

if TYPE_CHECKING:
    from engines.portrait_export import Made, Source


def run(args: argparse.Namespace) -> int:
    """Writes the set and prints its folder."""
    if args.random is not None and args.out is None:
        raise SettingsError(
            "random weights draw no face: name a folder for them by --out, so that they never take"
            " the place of trained ones"
        )
    models = ModelStore(settings.load(args.config).models.folder)
    folder = args.out or models.folder / FOLDER
    with torch_needed("exporting"):
        from engines import portrait_export  # noqa: PLC0415  needs torch

        portrait_export.export_set(
            _source(args, folder.name),
            folder,
            precisions=args.precision or ("fp32", "fp16"),
            sampling=args.sampling,
            tell=_tell,
        )
    print(folder)
    if args.random is None and not (folder / implicit_map.FILE).exists():
        sys.stderr.write("next: visavis models fit portrait\n")
    return 0


def _source(args: argparse.Namespace, name: str) -> Source:
    from engines import portrait_source  # noqa: PLC0415  needs torch

    told: dict[str, Any] = {
        key: value
        for key, value in (("origin", args.origin), ("licence", args.licence))
        if value is not None
    }
    told["name"] = args.name or name
    if args.random is not None:
        return portrait_source.random(args.random, args.sizes, **told)
    return portrait_source.checkpoint(args.checkpoint, args.sizes, **told)


def _tell(made: Made) -> None:
    file, error = made.file, made.file.error
    sys.stderr.write(
        f"{file.file}: {file.bytes / 1e6:.1f} MB in {made.seconds:.0f} s; off {error.against} by"
        f" {error.mean:.2g} on average and {error.max:.2g} at most, where different inputs make"
        f" {error.spread:.2g}\n"
    )
    sys.stderr.flush()
