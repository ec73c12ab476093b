"""Folders of recordings and the names of synthesisers become the files of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from engines.log_mel import RATE
from engines.nets.speech import corpus, recordings, teachers
from engines.nets.speech.corpus import Utterance

_FOR_TESTS = frozenset(("festival",))
"""Synthesisers that are never learnt from."""


def make(
    work: Path,
    *,
    recorded: Sequence[Path],
    test: Sequence[Path],
    spoken: Sequence[str],
    seed: int,
) -> None:
    """Writes `recorded/`, `test/` and `spoken/` in `work`; `spoken` are `teacher:count`."""
    chosen = [_chosen(each) for each in spoken]
    for kind, folders in (("recorded", recorded), ("test", test)):
        for folder in folders:
            _save(work / kind / f"{folder.name}.npz", recordings.utterances(folder))
    texts = [text for folder in recorded for text in _texts_of_learners(folder)]
    for name, count in chosen:
        kind, said = ("test", ()) if name in _FOR_TESTS else ("spoken", texts)
        _save(work / kind / f"{name}.npz", teachers.utterances(name, count, seed, said))


def _save(path: Path, utterances: Iterable[Utterance]) -> None:
    kept = list(utterances)
    corpus.save(path, kept)
    minutes = sum(len(utterance.samples) for utterance in kept) / RATE / 60
    print(f"{path}: {len(kept)} utterances, {minutes:.1f} minutes", flush=True)


def _texts_of_learners(folder: Path) -> list[str]:
    """What is said by speakers to learn from; nobody says again what the others say."""
    return [
        transcript.text
        for name, transcript in recordings.transcripts(folder).items()
        if corpus.part_of(recordings.speaker(name, folder)) == "train"
    ]


def _chosen(written: str) -> tuple[str, int]:
    name, _, count = written.partition(":")
    if name not in teachers.TEACHERS or not count.isdigit():
        known = ", ".join(teachers.TEACHERS)
        raise SystemExit(f"{written!r} is not TEACHER:COUNT; the teachers are {known}")
    return name, int(count)
