"""`visavis models fit`, and the renderer that the settings name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from engines import avatars, implicit_map
from engines.backends.choice import Chosen
from engines.network_source import NetworkSource
from engines.portrait_models import FOLDER, PortraitModels
from engines.types import ModelSpec, Space
from engines.weights import default_folder
from live.__main__ import main
from live.assembly import assemble
from live.errors import ModelUnavailable
from live.renderers import RESERVE
from live.settings import Settings
from tests import portrait_fakes
from tests.loops import in_loop
from tests.portrait_fakes import Fakes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of models: a set of fakes without a map, beside the tracker's own file."""
    for file in default_folder().iterdir():
        if file.is_file():
            (tmp_path / file.name).symlink_to(file)
    portrait_fakes.write_set(tmp_path / FOLDER, fitted=False)
    fakes = Fakes()

    def opened(
        source: NetworkSource, spec: ModelSpec, instead: Mapping[str, ModelSpec] | None = None
    ) -> Chosen:
        return fakes.open(spec, instead)

    monkeypatch.setattr(NetworkSource, "open", opened)
    monkeypatch.setenv("VISAVIS_MODELS__FOLDER", str(tmp_path))
    return tmp_path


def settings_with(folder: Path) -> Settings:
    told = {"engines": {"renderer": "portrait"}, "models": {"folder": str(folder)}}
    return Settings.model_validate(told)


def test_a_map_is_fitted_and_written_beside_the_card(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(avatars, "ids", lambda: ["ada", "mira"])
    assert main(["models", "fit", "--samples", "10"]) == 0
    told = capsys.readouterr()
    assert "20 of 20 pictures seen" in told.err
    assert "that is little" in told.err  # the fake sees no expression at all
    assert implicit_map.FILE in told.out
    sha256 = PortraitModels(folder / FOLDER).spec("motion").sha256
    assert implicit_map.read(folder / FOLDER, sha256).keypoints == portrait_fakes.POINTS
    with pytest.raises(SystemExit):
        main(["models", "fit", "--samples", "0"])


@in_loop
async def test_the_renderer_that_the_settings_name_draws(folder: Path) -> None:
    portrait_fakes.write_set(folder / FOLDER)
    rooms = assemble(settings_with(folder))
    try:
        request = await rooms.request_call("ada", "auto")
        renderer = request.parts.renderer()
        assert request.avatar.avatar.made_by == renderer.name == "portrait"
        assert request.parts.driver("auto").space is Space.IMPLICIT21
        assert request.parts.driver("speech").space is Space.MESH478
        assert request.open_reserve is not None
        reserve = await request.open_reserve("ada")
        assert reserve.avatar.avatar.made_by == reserve.renderer.name == RESERVE
        assert reserve.driver().space is Space.MESH478
        request.on_device_lost()
        later = await rooms.request_call("ada", "auto")
        assert later.avatar.avatar.made_by == later.parts.renderer().name == RESERVE
        assert later.open_reserve is None
    finally:
        rooms.prepared.close()


@in_loop
async def test_without_a_map_the_server_says_what_to_do(folder: Path) -> None:
    rooms = assemble(settings_with(folder))
    try:
        with pytest.raises(ModelUnavailable, match="visavis models fit portrait"):
            await rooms.prepared.warm()
        assert "visavis models fit portrait" in rooms.prepared.trouble
    finally:
        rooms.prepared.close()
