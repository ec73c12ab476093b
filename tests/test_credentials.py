"""A film's content credentials say what is known of it, and two readers agree whether they hold."""

from __future__ import annotations

import dataclasses
import json
import time
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import av
import c2pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live.errors import SettingsError, Unprocessable
from live.provenance import credentials as credentials_module
from live.provenance import signing
from live.provenance.credentials import Credentials
from live.provenance.facts import Facts
from live.provenance.library import offline
from live.provenance.manifest import ACTIONS, AVATAR, SOFT_BINDING, actions_of, definition, facts_of
from live.provenance.reading import Report, Standing, read
from live.sections import Keys, Provenance
from tests.certificates import issued, text
from tests.credentials import FACTS, assertions_of, by_another_reader, film

BROKEN = ("assertion.bmffHash.mismatch",)


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return Credentials.load(Provenance(), Keys(folder=tmp_path_factory.mktemp("keys")))


@pytest.fixture(scope="module")
def signed(credentials: Credentials, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("films") / "signed.mp4"
    file.write_bytes(film())
    credentials.sign(file, FACTS)
    return file


def _trust(credentials: Credentials) -> str:
    return text(credentials.certificate.chain[-1])


def test_what_was_said_is_read(signed: Path, credentials: Credentials) -> None:
    report = read(signed, own=credentials.certificate.leaf)
    with signed.open("rb") as stream:
        stream.seek(7)
        assert read(stream, own=credentials.certificate.leaf) == report
    assert report.standing is Standing.VALID
    assert report.problems == ()
    assert report.facts == FACTS
    assert report.generator.startswith("Visavis ")
    assert report.source_types == ("compositeWithTrainedAlgorithmicMedia",)
    assert report.actions == ("c2pa.created", "c2pa.addedText", "c2pa.watermarked.bound")
    signer = report.signer
    assert signer is not None
    assert (signer.is_ours, signer.is_trusted, signer.is_test) == (True, True, True)
    assert "proves no identity" in signer.name


def test_the_signer_stands_for_every_assertion(signed: Path) -> None:
    """C2PA tells what a signer has created from what it has only gathered."""
    with (
        signed.open("rb") as stream,
        offline() as context,
        c2pa.Reader("video/mp4", stream, context=context) as reader,
    ):
        told = json.loads(reader.detailed_json())
    claim = told["manifests"][told["active_manifest"]]["claim"]
    created = [one["url"].rpartition("/")[2] for one in claim["created_assertions"]]
    assert created == [ACTIONS, SOFT_BINDING, AVATAR, "c2pa.hash.bmff.v3"]
    assert not claim.get("gathered_assertions")


def test_another_reader_agrees_and_reads_the_same(signed: Path, credentials: Credentials) -> None:
    theirs = by_another_reader(signed, trust_pem=_trust(credentials))
    assert (theirs["validation_state"], theirs["integrity"]) == ("Trusted", "valid")
    assert theirs["trust"]["status"] == "valid_for_supplied_material"
    assertions = assertions_of(theirs)
    listed = [{"label": label, "data": data} for label, data in assertions.items()]
    assert facts_of(listed) == FACTS
    assert len(actions_of(listed)) == 3
    assert assertions[SOFT_BINDING]["blocks"] == [
        {
            "scope": {"timespan": {"start": 0, "end": 400}},
            "value": "01a1b2c3d4e5f6.0123456789abcdef",
        }
    ]
    assert assertions[AVATAR]["avatars"][0]["consent"]["record"]["hash"] == "2b" * 32
    assert "proves nothing" in assertions[AVATAR]["certificate"]


@pytest.mark.parametrize("box", [b"mdat", b"moov", b"c2pa.created"])
def test_one_changed_byte_breaks_them(
    signed: Path, credentials: Credentials, tmp_path: Path, box: bytes
) -> None:
    data = bytearray(signed.read_bytes())
    data[data.index(box) + 40] ^= 1
    changed = tmp_path / "changed.mp4"
    changed.write_bytes(data)
    assert read(changed, own=credentials.certificate.leaf).standing is Standing.BROKEN
    theirs = by_another_reader(changed, trust_pem=_trust(credentials))
    assert (theirs["integrity"], theirs["validation_state"]) == ("invalid", "Invalid")


def test_pictures_put_in_place_of_others_break_them(
    signed: Path, credentials: Credentials, tmp_path: Path
) -> None:
    data = bytearray(signed.read_bytes())
    box = data.index(b"mdat")
    pictures = slice(box + 4, box - 4 + int.from_bytes(data[box - 4 : box], "big"))
    data[pictures] = data[pictures][::-1]
    changed = tmp_path / "changed.mp4"
    changed.write_bytes(data)
    report = read(changed, own=credentials.certificate.leaf)
    assert (report.standing, report.problems) == (Standing.BROKEN, BROKEN)


def test_removed_ones_are_absent_to_both(signed: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied.mp4"
    with av.open(str(signed)) as source, av.open(str(copied), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert read(copied) == Report(Standing.ABSENT)
    assert not by_another_reader(copied)["present"]


@given(place=st.integers(0), bit=st.integers(0, 7))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_changed_byte_of_theirs_says_another_thing(
    signed: Path, credentials: Credentials, tmp_path: Path, place: int, bit: int
) -> None:
    """They are broken, or what was changed is filling that says nothing."""
    data = bytearray(signed.read_bytes())
    start, end = data.index(b"jumb"), data.index(b"mdat")
    data[start + place % (end - start)] ^= 1 << bit
    changed = tmp_path / "changed.mp4"
    changed.write_bytes(data)
    report = read(changed, own=credentials.certificate.leaf)
    if report.standing is Standing.VALID:
        assert report == read(signed, own=credentials.certificate.leaf)


def test_whom_one_trusts_decides_who_is_trusted(signed: Path, credentials: Credentials) -> None:
    stranger = issued()
    for own, anchors, ours, trusted in (
        (None, None, False, False),
        (None, _trust(credentials), False, True),
        (stranger.leaf, None, False, False),
        (stranger.leaf, _trust(credentials), False, True),
        (stranger.leaf, text(stranger.authority), False, False),
        (credentials.certificate.leaf, text(stranger.authority), True, True),
    ):
        report = read(signed, own=own, anchors=anchors)
        assert report.standing is Standing.VALID, "an unknown signer has broken nothing"
        signer = report.signer
        assert signer is not None
        assert (signer.is_ours, signer.is_trusted) == (ours, trusted)
    theirs = by_another_reader(signed, trust_pem=text(stranger.authority))
    assert theirs["integrity"] == "valid"
    assert theirs["validation_state"] == "Valid", "intact, but by somebody unknown"
    assert theirs["trust"]["status"] == "not_valid_for_supplied_material"
    with pytest.raises(SettingsError, match="no certificates"):
        read(signed, anchors="none")


def test_another_certificate_of_the_same_names_is_not_ours(
    credentials: Credentials, tmp_path: Path
) -> None:
    """Both servers' test certificates have the same names: what tells them apart is the key."""
    other = Credentials.load(Provenance(), Keys(folder=tmp_path / "keys"))
    file = tmp_path / "film.mp4"
    file.write_bytes(film())
    other.sign(file, FACTS)
    signer = read(file, own=credentials.certificate.leaf).signer
    assert signer is not None
    assert (signer.is_test, signer.is_ours, signer.is_trusted) == (True, False, False)


def test_an_expired_certificate_breaks_nothing_and_proves_less(tmp_path: Path) -> None:
    """Nothing says that it had not expired yet when it was used: no time stamp is asked for."""
    operator = issued(days=(-1, 4 / 86_400))
    credentials = Credentials.load(operator.settings(tmp_path), Keys(folder=tmp_path / "keys"))
    file = tmp_path / "film.mp4"
    file.write_bytes(film())
    credentials.sign(file, FACTS)
    changed = tmp_path / "changed.mp4"
    data = bytearray(file.read_bytes())
    data[data.index(b"mdat") + 40] ^= 1
    changed.write_bytes(data)
    time.sleep(max(0, credentials.certificate.ends.timestamp() + 1.1 - time.time()))
    report = read(file, own=credentials.certificate.leaf, anchors=text(operator.authority))
    assert (report.standing, report.problems) == (Standing.VALID, ())
    signer = report.signer
    assert signer is not None
    assert (signer.is_expired, signer.is_trusted, signer.is_ours) == (True, False, False)
    theirs = by_another_reader(file, trust_pem=text(operator.authority))
    assert (theirs["integrity"], theirs["validation_state"]) == ("valid", "Valid")
    assert theirs["trust"]["status"] == "not_valid_for_supplied_material"
    report = read(changed, own=credentials.certificate.leaf)
    assert (report.standing, report.problems) == (Standing.BROKEN, BROKEN)


def test_an_operators_certificate_is_not_called_a_test(tmp_path: Path) -> None:
    operator = issued()
    credentials = Credentials.load(operator.settings(tmp_path), Keys(folder=tmp_path / "keys"))
    file = tmp_path / "film.mp4"
    file.write_bytes(film())
    credentials.sign(file, FACTS)
    signer = read(file, own=credentials.certificate.leaf).signer
    assert signer is not None
    assert (signer.name, signer.organization) == ("Operator Ltd", "Tests")
    assert (signer.is_test, signer.is_ours) == (False, True)
    theirs = by_another_reader(file, trust_pem=text(operator.authority))
    assert theirs["validation_state"] == "Trusted"
    assert "certificate" not in assertions_of(theirs)[AVATAR]


def test_no_label_no_word_of_one(credentials: Credentials, tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(film())
    facts = FACTS.model_copy(update={"label": None, "operator": "", "kind": "recording"})
    credentials.sign(file, facts)
    report = read(file)
    assert report.facts == facts
    assert report.actions == ("c2pa.created", "c2pa.watermarked.bound")


@pytest.mark.parametrize("movflags", ["", "+faststart", "+frag_keyframe+empty_moov"])
def test_films_of_every_layout_play_as_before(
    credentials: Credentials, tmp_path: Path, movflags: str
) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(film(movflags))
    before = _decoded(file)
    credentials.sign(file, FACTS)
    assert _decoded(file) == before
    assert len(before[0]) == 12
    data = file.read_bytes()
    assert (data.index(b"moov") < data.index(b"mdat")) == bool(movflags), "the order stays"
    assert read(file).standing is Standing.VALID
    theirs = by_another_reader(file, trust_pem=_trust(credentials))
    assert theirs["validation_state"] == "Trusted"


def _decoded(file: Path) -> tuple[list[bytes], list[bytes]]:
    with av.open(str(file)) as container:
        video = [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]
    with av.open(str(file)) as container:
        sound = [frame.to_ndarray().tobytes() for frame in container.decode(audio=0)]
    return video, sound


def test_a_large_film_is_signed_in_a_process_of_its_own(
    credentials: Credentials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials_module, "LARGE", 1000)
    monkeypatch.setattr(signing, "sign", None)  # it is not done in this one
    file = tmp_path / "film.mp4"
    file.write_bytes(film())
    credentials.sign(file, FACTS)
    report = read(file, own=credentials.certificate.leaf)
    assert (report.standing, report.facts) == (Standing.VALID, FACTS)
    file.write_bytes(bytes(2000))
    with pytest.raises(Unprocessable, match="NotSupported"):
        credentials.sign(file, FACTS)
    monkeypatch.setattr(signing, "_START_S", 0.05)
    with pytest.raises(Unprocessable, match="not done after 0 s"):
        credentials.sign(file, FACTS)
    assert file.read_bytes() == bytes(2000)
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_what_is_no_film_stays_as_it_was(credentials: Credentials, tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    for data in (b"", b"none", film()[:20]):
        file.write_bytes(data)
        with pytest.raises(Unprocessable, match="cannot be given content credentials"):
            credentials.sign(file, FACTS)
        assert file.read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_nothing_is_signed_once_the_certificate_has_expired(
    credentials: Credentials, tmp_path: Path
) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(film())
    past = issued(days=(-9, -1))
    certificate = dataclasses.replace(
        credentials.certificate, chain=(past.leaf, past.authority), key=past.key
    )
    with pytest.raises(SettingsError, match="has expired"):
        Credentials(certificate).sign(file, FACTS)
    assert file.read_bytes() == film()


def test_no_personal_data_in_what_is_signed(signed: Path, credentials: Credentials) -> None:
    """Who is seen stands there by hashes alone; the one name is the operator's."""
    stated = str(definition(FACTS, is_test=True))
    assert str(Path.home()) not in stated
    assert str(signed.name) not in stated
    assert stated.count(FACTS.operator) == 1


@pytest.mark.parametrize("size", [0, 1, 40])
def test_what_cannot_be_read_is_said_to_be_so(signed: Path, tmp_path: Path, size: int) -> None:
    part = tmp_path / "part.mp4"
    part.write_bytes(signed.read_bytes()[:size])
    report = read(part)
    assert report.standing is Standing.UNREADABLE
    assert report.problems
    assert report.facts is None


_HEADS = (
    b"",
    film()[:48],
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xeb",
    b"RIFF\x10\0\0\0WEBP",
    b"%PDF-",
)


@given(st.sampled_from(_HEADS), st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_read_or_said_to_be_unreadable(head: bytes, rest: bytes) -> None:
    report = read(BytesIO(head + rest))
    assert report.standing is not Standing.VALID
    assert report.facts is None
    assert all(problem.isprintable() for problem in report.problems)


def test_a_film_that_was_cut_off_is_broken(signed: Path, tmp_path: Path) -> None:
    part = tmp_path / "part.mp4"
    part.write_bytes(signed.read_bytes()[:-100])
    assert read(part).standing in (Standing.BROKEN, Standing.UNREADABLE)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(st.data())
@settings(deadline=None)
def test_assertions_of_any_shape_are_taken_for_what_they_are(data: st.DataObject) -> None:
    """Whoever signs can write anything: it is facts of ours, or none."""
    assertions = definition(FACTS, is_test=True)["assertions"]
    place = assertions[data.draw(st.integers(0, 2))]
    for _ in range(data.draw(st.integers(0, 6))):
        inner = place.values() if isinstance(place, dict) else place
        nested = [one for one in inner if isinstance(one, dict | list) and one]
        if not nested:
            break
        place = data.draw(st.sampled_from(nested))
    key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
    place[key] = data.draw(_JSON)
    found = facts_of(assertions)
    assert found is None or isinstance(found, Facts)
    assert isinstance(actions_of(assertions), list)


@given(st.lists(_JSON, max_size=4))
def test_anything_else_is_no_fact(assertions: list[object]) -> None:
    assert facts_of(assertions) is None
    assert actions_of(assertions) == []


@pytest.mark.parametrize("operator", ["\x1b[2J", "a\nb", "\u202egnirts", "x" * 81])
def test_words_that_would_act_on_a_terminal_are_no_facts(operator: str) -> None:
    stated = definition(FACTS, is_test=True)["assertions"]
    stated[2]["data"]["operator"] = operator
    assert facts_of(stated) is None


def test_moments_are_told_to_the_second() -> None:
    moment = datetime.now(UTC) + timedelta(microseconds=1)
    told = facts_of(
        definition(FACTS.model_copy(update={"started_at": moment}), is_test=True)["assertions"]
    )
    assert told is not None
    assert abs(told.started_at - moment) < timedelta(seconds=1)
