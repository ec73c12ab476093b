"""What pictures and sound need: packages, codecs, the renderer, voices."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import av

from engines import registry
from engines.errors import EngineError
from live.examination.finding import Finding
from live.sections import Voice

_PACKAGES = ("ai-edge-litert", "aiohttp", "aiortc", "av", "numpy", "opencv-python-headless")


def examine(renderer: str, voice: Voice) -> Iterator[Finding]:
    """`renderer`: the name of the one that is set."""
    yield from (_package(name) for name in _PACKAGES)
    yield from (_codec(name, label) for name, label in (("libx264", "H.264"), ("libvpx", "VP8")))
    yield _renderer(renderer)
    options = voice.options()
    for name in sorted({*registry.names("voices"), voice.default}):
        yield _voice(name, options.get(name, {}), needed=name == voice.default)


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False, "not installed", "pip install visavis")


def _codec(name: str, label: str) -> Finding:
    try:
        av.Codec(name, "w")
    except ValueError:  # PyAV's UnknownCodecError is one
        return Finding(label, False, f"no {name}", "pip install --force-reinstall av")
    return Finding(label, True, name)


def _renderer(name: str) -> Finding:
    try:
        registry.load("renderers", name)
    except EngineError as error:
        mend = f"set engines.renderer to one of: {', '.join(registry.names('renderers'))}"
        return Finding("renderer", False, str(error), mend)
    return Finding("renderer", True, name)


def _voice(name: str, options: dict[str, str], *, needed: bool) -> Finding:
    """Opens it: a voice knows only then whether all is there. None of ours asks its service yet."""
    what = f"voice {name}"
    try:
        voice = registry.voice(name, options)
    except EngineError as error:
        return Finding(what, not needed, "cannot speak", str(error))
    languages = voice.languages
    voice.close()
    more = f" and {len(languages) - 1} more languages" if len(languages) > 1 else ""
    return Finding(what, True, f"speaks {languages[0]}{more}" if languages else "speaks")
