"""`visavis models fetch`: brings the networks that are not here yet."""

from __future__ import annotations

import argparse

from engines.errors import ModelUnavailable
from engines.weights import MODELS, ModelStore
from live import settings


def run(args: argparse.Namespace) -> int:
    """Fetches what is missing; 1 where something could not be had."""
    store = ModelStore(settings.load(args.config).models.folder)
    missing = None
    for name in args.names or MODELS:
        try:
            print(store.fetch(name))
        except ModelUnavailable as error:
            missing = error  # the others may still be had
    if missing is not None:
        raise missing
    return 0
