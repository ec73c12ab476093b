"""Records in, one HTML page out that needs nothing else: no script, no network, no other file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.reporting import costs, delays, goals, loads, plain
from benchmarks.reporting.markup import Markup, folded, section, table, text
from benchmarks.reporting.records import BUSY_PERCENT, UNREADABLE, Record

_STYLE = Path(__file__).with_name("style.css")

Parts = Callable[[Record], list[Markup]]

SECTIONS: Mapping[str, tuple[str, Parts]] = {
    "latency": ("Delay", delays.latency),
    "voice_latency": ("Mouth to ear", delays.latency),
    "sessions": ("Calls at once", loads.sessions),
    "faults": ("Bad lines", costs.faults),
    "rooms": ("What a picture costs", costs.rooms),
    "soak": ("Endurance", loads.soak),
    "mark": ("The live mark", costs.mark),
    "mark_false_alarms": ("False alarms of the mark", plain.figures),
    "startup": ("Start", plain.figures),
    "avsync": ("Picture and sound", plain.figures),
    "lipsync": ("Lips", plain.figures),
    "quality": ("Likeness of movement", plain.figures),
    "isolation": ("Thread or process", plain.figures),
    "likeness": ("Enrolment: faces", plain.figures),
    "reading": ("Enrolment: reading", plain.figures),
}


def page(records: Sequence[Record], changes: Markup | None = None) -> str:
    """The whole document; `changes`: what differs from earlier records, as it is to be shown."""
    order = list(SECTIONS)
    known = sorted(records, key=lambda one: order.index(one.name) if one.name in order else 99)
    names = {id(record): f"r{index}" for index, record in enumerate(known)}
    alike = Counter(_title(record) for record in known)

    def title(record: Record) -> str:
        alone = alike[_title(record)] == 1
        return _title(record) if alone else f"{_title(record)} ({Path(record.file).stem})"

    links = "".join(
        f'<li><a href="#{names[id(record)]}">{text(title(record))}</a></li>' for record in known
    )
    if changes:
        links = f'<li><a href="#changes">Changes</a></li>{links}'
    parts = [section("goals", "Goals", *head)] if (head := goals.headline(known, title)) else []
    if changes:
        parts.append(changes)
    parts += [_record(record, names[id(record)], title(record)) for record in known]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex">'
        f"<title>Visavis: benchmark report</title><style>{_STYLE.read_text()}</style></head>"
        f'<body><header class="top"><p class="brand">Visavis</p><h1>Benchmark report</h1>'
        f'{_facts(known)}<nav aria-label="Parts"><ul>{links}</ul></nav></header>'
        f"<main>{''.join(parts)}</main>"
        "<footer>Made by <code>visavis bench report</code> from the records of the benchmarks. "
        "Delays are read off pictures that carry the time at which they were drawn; the method of "
        "each benchmark is in its source.</footer></body></html>\n"
    )


def _title(record: Record) -> str:
    return SECTIONS[record.name][0] if record.name in SECTIONS else record.name


def _facts(records: Sequence[Record]) -> Markup:
    """What all records have in common; where they differ, each section says its own."""

    def one(read: Callable[[Record], Any]) -> str:
        values = list(dict.fromkeys(str(read(record)) for record in records))
        return values[0] if len(values) == 1 else f"{len(values)} different"

    days = sorted(str(record.values["at"])[:10] for record in records)
    machine = {
        "Measured": days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}",
        "Processor": one(lambda record: record.machine.get("cpu")),
        "Cores": one(lambda record: record.machine.get("cores")),
        "Memory": one(lambda record: f"{record.machine.get('memory_gb')} GB"),
        "System": one(lambda record: record.machine.get("system")),
        "Commit": one(lambda record: record.values.get("commit", "unknown")),
    }
    items = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in machine.items()
    )
    return Markup(f'<dl class="facts">{items}</dl>')


def _record(record: Record, name: str, title: str) -> Markup:
    _, make = SECTIONS.get(record.name, ("", plain.figures))
    try:
        parts = make(record)
    except UNREADABLE:  # the figures can still be read, as they were written
        parts = plain.figures(record)
    return section(name, title, *parts, _conditions(record), about=_when(record))


def _when(record: Record) -> str:
    load = record.load
    words = f"visavis bench {record.name}, {str(record.values['at'])[:16].replace('T', ' ')} UTC"
    words += (
        f", {record.values.get('took_s', '?')} s, commit {record.values.get('commit', 'unknown')}."
    )
    others = load.get("others_cpu_percent")
    if isinstance(others, int | float) and others > BUSY_PERCENT:
        words += f" Other programs used {others} % of a core meanwhile: believe CPU, not delays."
    return words


def _conditions(record: Record) -> Markup:
    rows = [
        *((f"--{key}".replace("_", "-"), _plain(value)) for key, value in record.arguments.items()),
        ("load before", _plain(record.load.get("before"))),
        ("load after", _plain(record.load.get("after"))),
        ("others' CPU, % of a core", _plain(record.load.get("others_cpu_percent"))),
        *((f"machine: {key}", _plain(value)) for key, value in record.machine.items()),
        *((key, _plain(value)) for key, value in record.values.get("versions", {}).items()),
    ]
    return folded("Conditions", table(("", ""), rows, f"Of {record.file}"))


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return "–" if value is None else str(value)
