"""A language goes in, a few random words to read aloud come out.

Words of two or three syllables with open vowels and closed lips, so that the mouth moves visibly.
"""

from __future__ import annotations

from random import Random
from typing import Final

WORDS: Final = 8
"""In a phrase: three trillion phrases a language, and five seconds to say."""

_LISTS: Final = {
    "en": "amber apple balloon bamboo banana barley cabin camel candle carpet cobalt domino farmer"
    " garden hammer harbour jumble ladder lemon marble market melon mountain orbit oyster paper"
    " pepper piano pillow potato rainbow robot saddle salmon summer tomato umbrella velvet"
    " wallaby window",
    "de": "Abend Ampel Apfel Balkon Bambus Banane Bergbahn Blume Dampfer Domino Eimer Fahne Garten"
    " Gabel Hafen Hammer Himmel Kamel Kammer Laterne Lampe Mandel Mantel Marmor Melone Mode Ofen"
    " Opal Pappel Papier Pfeffer Piano Rabe Robbe Salat Sommer Tomate Vampir Wagen Wolke",
    "fr": "abeille amande ananas arbre balcon ballon banane barbe bateau cabane camion cartable"
    " chapeau domino famille fromage gomme jambon lampe lapin maison mandarine marbre matelot melon"
    " montagne orage papier parfum piano pomme poivre radeau robot salade sapin tambour tomate"
    " vanille voiture",
    "es": "abeja abril amapola arena balcón ballena banana barco cabaña camello camino campana"
    " domingo farola flauta gamba hormiga jamón lámpara limón madera mañana mapa mármol melón"
    " montaña paloma pampa papel pera piano pimienta plátano rama robot salmón sombra tambor tomate"
    " ventana",
}

LANGUAGES: Final = tuple(_LISTS)


def phrase(language: str, random: Random) -> tuple[str, ...]:
    """`WORDS` different words; `KeyError` for a language that is not of `LANGUAGES`."""
    return tuple(random.sample(_LISTS[language].split(), WORDS))
