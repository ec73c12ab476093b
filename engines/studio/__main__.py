"""The studio's command line: `python -m engines.studio --help`."""

from __future__ import annotations

import argparse
from pathlib import Path

from engines import avatars

_FOLDER = Path(avatars.__file__).parent
_BASIS = _FOLDER.parent / "data" / "blendshape_basis.npz"
_RENDERED = (
    "Rendered by this project with Blender Cycles; the head is a mix of MakeHuman's shapes (CC0),"
    " hair, eyes, clothes and light are the project's own."
)
_DRAWN = "Drawn by a program of this project with Skia."
_TEXTURED = (
    "Texture {} of MakeHuman's CC0 release, tinted; how its authors painted it is not documented."
)
_SHADED = "A shader of this project, no texture."


def main() -> None:
    """Parses the command line and runs one command."""
    parser = argparse.ArgumentParser(prog="python -m engines.studio", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    people = commands.add_parser("people", help="render the realistic avatars (needs bpy, anny)")
    people.add_argument("ids", nargs="*", help="which; all unless told")
    people.add_argument("--assets", type=Path, required=True, help="folder of MakeHuman's assets")
    people.add_argument("--samples", type=int, default=24, help="per pixel, before denoising")
    people.set_defaults(run=_people)
    drawn = commands.add_parser("drawn", help="draw the drawn avatars (needs skia-python)")
    drawn.add_argument("ids", nargs="*", help="which; all unless told")
    drawn.set_defaults(run=_drawn)
    for command in (people, drawn):
        command.add_argument("--out", type=Path, default=_FOLDER, help="folder of the avatars")
        command.add_argument("--size", type=int, default=1024, help="pixels of a side")
    sheet = commands.add_parser("sheet", help="one picture of all built-in avatars")
    sheet.add_argument("out", type=Path)
    sheet.set_defaults(run=_sheet)
    clip = commands.add_parser("clip", help="draw the synthetic test clip (needs anny)")
    clip.add_argument("out", type=Path, help="the .mp4; the truth goes beside it as .npz")
    clip.set_defaults(run=_clip)
    basis = commands.add_parser("basis", help="measure the blendshape basis (needs anny)")
    basis.add_argument("--out", type=Path, default=_BASIS, help="the .npz")
    basis.set_defaults(run=_basis)
    arguments = parser.parse_args()
    arguments.run(arguments)


def _chosen(ids: list[str], known: list[str]) -> list[str]:
    unknown = sorted(set(ids) - set(known))
    if unknown:
        raise SystemExit(f"nobody is called {', '.join(unknown)}; there are: {', '.join(known)}")
    return ids or known


def _people(arguments: argparse.Namespace) -> None:
    # Each command imports its own tools: no machine needs all of them.
    from engines.studio.people import PEOPLE  # noqa: PLC0415
    from engines.studio.portrait import write_avatar  # noqa: PLC0415
    from engines.studio.scene import render  # noqa: PLC0415

    for chosen in _chosen(arguments.ids, list(PEOPLE)):
        person = PEOPLE[chosen]
        rgba = render(person, arguments.assets, size=arguments.size, samples=arguments.samples)
        skin = person.look.skin
        write_avatar(
            arguments.out / chosen,
            rgba,
            backdrop=person.backdrop,
            name=person.name,
            description=person.description,
            style="realistic",
            origin=_RENDERED,
            skin_origin=_TEXTURED.format(skin) if skin else _SHADED,
        )
        print(f"{chosen}: done")


def _drawn(arguments: argparse.Namespace) -> None:
    from engines.studio.drawn import DRAWN, draw  # noqa: PLC0415
    from engines.studio.portrait import write_avatar  # noqa: PLC0415

    for chosen in _chosen(arguments.ids, list(DRAWN)):
        person = DRAWN[chosen]
        write_avatar(
            arguments.out / chosen,
            draw(person, arguments.size),
            backdrop=person.backdrop,
            name=person.name,
            description=person.description,
            style="drawn",
            origin=_DRAWN,
            skin_origin=_DRAWN,
        )
        print(f"{chosen}: done")


def _sheet(arguments: argparse.Namespace) -> None:
    from engines.studio.portrait import contact_sheet  # noqa: PLC0415

    contact_sheet([avatars.folder(each) for each in avatars.ids()], arguments.out)


def _clip(arguments: argparse.Namespace) -> None:
    from engines.studio.clip import write_clip  # noqa: PLC0415

    write_clip(arguments.out, arguments.out.with_suffix(".npz"))


def _basis(arguments: argparse.Namespace) -> None:
    from engines.studio.blendshape_basis import write_basis  # noqa: PLC0415

    write_basis(arguments.out)


if __name__ == "__main__":
    main()
