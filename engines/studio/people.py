"""The people of the built-in avatars that are rendered: who they are, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engines.studio.hair import Hairdo

Colour = tuple[float, float, float]
"""Linear RGB, 0…1."""

_FRIENDLY = {
    "mouthSmileLeft": 0.46,
    "mouthSmileRight": 0.46,
    "cheekSquintLeft": 0.15,
    "cheekSquintRight": 0.15,
    "browOuterUpLeft": 0.10,
    "browOuterUpRight": 0.10,
    "browInnerUp": 0.06,
    "eyeWideLeft": 0.16,
    "eyeWideRight": 0.16,
}


@dataclass(frozen=True, slots=True)
class Look:
    """Skin, eyes, brows and clothes."""

    skin: str | None
    """Name of a skin texture among the MakeHuman assets; `None`: a smooth artificial skin."""
    tint: Colour
    """Multiplies the texture, or is the colour of an artificial skin."""
    iris: Colour
    clothes: str
    """`crew`, `turtleneck`, `blazer` or `suit` (an android's)."""
    cloth: Colour
    second_cloth: Colour = (0.6, 0.6, 0.58)
    brow_lift: float = 0.0
    """How much higher the brows are than usual, cm."""
    brow_thick: float = 1.0
    brow_grey: float = 0.0
    lash: str = "eyelashes02"
    lines: float = 0.16
    """How rough the skin is: the strength of its bumps."""
    lips: float = 0.0
    """How much rose the lips are painted with, 0…1."""
    bare_lids: float = 0.0
    """How much of the texture's eye shadow is painted over, 0…1."""


@dataclass(frozen=True, slots=True)
class Person:
    """One rendered avatar."""

    name: str
    description: str
    origins: Mapping[str, float]
    sexes: Mapping[str, float]
    details: Mapping[str, float]
    look: Look
    hairdo: Hairdo | None
    backdrop: tuple[str, str]
    """Hexadecimal sRGB in the middle and at the rim."""
    age: float = 0.0
    mood: Mapping[str, float] = field(default_factory=lambda: dict(_FRIENDLY))
    key: float = 1.0
    """Brightness of the lights."""
    rims: float = 1.0
    """Brightness of the lights from behind."""


PEOPLE: dict[str, Person] = {
    "mira": Person(
        name="Mira",
        description="A young woman with light skin, long brown hair and a teal turtleneck.",
        origins={"caucasian": 0.6, "asian": 0.4},
        sexes={"female": 1.0},
        details={
            "eyes/*-eye-scale-incr": 0.35,
            "head/head-oval": 0.4,
            "nose/nose-volume-decr": 0.3,
            "forehead/forehead-scale-vert-decr": 0.5,
        },
        look=Look(
            "young_lightskinned_female_diffuse3",
            (1.0, 0.86, 0.76),
            (0.10, 0.052, 0.018),
            "turtleneck",
            (0.04, 0.15, 0.17),
            brow_thick=0.8,
            lips=0.35,
            bare_lids=0.6,
        ),
        hairdo=Hairdo("long", 36_000, 0.028, 0.64, 0.35, part=-2.2, hairline=-1.3, length=0.72),
        backdrop=("e8dece", "aa9e92"),
    ),
    "kofi": Person(
        name="Kofi",
        description="A young man with dark skin, short curly black hair and a mustard jumper.",
        origins={"african": 0.85, "caucasian": 0.15},
        sexes={"male": 0.85, "female": 0.15},
        details={
            "eyes/*-eye-scale-incr": 0.3,
            "head/head-oval": 0.3,
            "mouth/mouth-scale-vert-decr": 0.3,
        },
        look=Look(
            "young_darkskinned_male_diffuse",
            (1.5, 1.38, 1.28),
            (0.035, 0.016, 0.008),
            "crew",
            (0.50, 0.27, 0.05),
            lash="eyelashes01",
            brow_thick=1.1,
        ),
        hairdo=Hairdo("curly", 24_000, 0.024, 0.97, 0.1),
        backdrop=("c4d6de", "708a98"),
        key=1.15,
        rims=0.4,
    ),
    "hana": Person(
        name="Hana",
        description="A young woman with a black bob, a straight fringe and a dark red turtleneck.",
        origins={"asian": 1.1},
        sexes={"female": 1.0},
        details={
            "eyes/*-eye-scale-incr": 0.3,
            "head/head-round": 0.25,
            "eyes/*-eye-epicanthus-in": 0.5,
            "nose/nose-scale-depth-decr": 0.25,
        },
        look=Look(
            "young_lightskinned_female_diffuse3",
            (1.0, 0.87, 0.74),
            (0.045, 0.02, 0.009),
            "turtleneck",
            (0.30, 0.05, 0.06),
            brow_lift=0.25,
            brow_thick=0.6,
            lips=0.45,
            bare_lids=0.6,
        ),
        hairdo=Hairdo(
            "bob", 34_000, 0.028, 0.96, 0.15, part=1.2, hairline=-0.5, length=0.8, fringe=True
        ),
        backdrop=("e2d6de", "968496"),
    ),
    "leo": Person(
        name="Leo",
        description="A young man with light skin, short brown hair and a navy blazer.",
        origins={"caucasian": 0.8, "asian": 0.2},
        sexes={"male": 0.85, "female": 0.15},
        details={"eyes/*-eye-scale-incr": 0.35, "chin/chin-prominent-incr": 0.2},
        look=Look(
            "young_lightskinned_male_diffuse2",
            (1.0, 0.85, 0.74),
            (0.05, 0.075, 0.085),
            "blazer",
            (0.03, 0.045, 0.09),
            (0.62, 0.66, 0.70),
            brow_lift=0.1,
            lash="eyelashes01",
        ),
        hairdo=Hairdo("short", 28_000, 0.02, 0.72, 0.3, part=3.0, hairline=-0.7),
        backdrop=("d6ded6", "809288"),
    ),
    "ruth": Person(
        name="Ruth",
        description="An older woman with silver shoulder-length hair and a plum blazer.",
        origins={"caucasian": 0.9, "african": 0.1},
        sexes={"female": 1.0},
        age=0.85,
        details={"eyes/*-eye-scale-incr": 0.3, "mouth/mouth-laugh-lines-out": 0.35},
        look=Look(
            "middleage_lightskinned_male_diffuse",
            (1.08, 0.96, 0.90),
            (0.06, 0.085, 0.10),
            "blazer",
            (0.14, 0.05, 0.11),
            (0.70, 0.66, 0.60),
            brow_lift=0.15,
            brow_thick=0.75,
            brow_grey=0.6,
            lines=0.3,
            lips=0.4,
            bare_lids=0.6,
        ),
        hairdo=Hairdo(
            "bob", 34_000, 0.028, 0.35, 0.0, part=2.2, hairline=-0.5, length=0.74, grey=0.82
        ),
        backdrop=("dcdcea", "8c8ca6"),
    ),
    "amara": Person(
        name="Amara",
        description="A woman with brown skin, a full head of dark curls and an emerald top.",
        origins={"african": 0.6, "caucasian": 0.3, "asian": 0.1},
        sexes={"female": 1.0},
        details={
            "eyes/*-eye-scale-incr": 0.3,
            "head/head-oval": 0.5,
            "nose/nose-scale-horiz-decr": 0.2,
        },
        look=Look(
            "young_lightskinned_female_diffuse3",
            (0.56, 0.37, 0.27),
            (0.05, 0.022, 0.009),
            "crew",
            (0.03, 0.20, 0.10),
            brow_lift=0.15,
            brow_thick=0.85,
            lips=0.4,
            bare_lids=0.6,
        ),
        hairdo=Hairdo("afro", 56_000, 0.024, 0.9, 0.35, hairline=-0.6, length=2.2),
        backdrop=("eed9c4", "b08c74"),
        key=1.08,
        rims=0.6,
    ),
    "nova": Person(
        name="Nova",
        description="An android with a pale smooth face, a dark skull and glowing ear discs.",
        origins={"caucasian": 0.4, "asian": 0.4, "african": 0.2},
        sexes={"female": 0.75, "male": 0.25},
        details={
            "eyes/*-eye-scale-incr": 0.55,
            "head/head-oval": 0.6,
            "nose/nose-volume-decr": 0.4,
        },
        look=Look(None, (0.70, 0.72, 0.75), (0.02, 0.22, 0.34), "suit", (0.018, 0.025, 0.05)),
        hairdo=None,
        backdrop=("d0e2f0", "607ca0"),
        key=0.8,
        rims=0.6,
    ),
}
