"""Blender materials of the rendered people: skin, eyes, cards, cloth and hair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from engines.studio.clothes import Edge
from engines.studio.people import Colour, Look

Material = Any


_FACE_PLATE = Edge(-3.0, tilt=-1.46)
"""Where an android's face ends and its skull begins."""


class Nodes:
    """A short hand for building one material's node tree."""

    def __init__(self, name: str) -> None:
        """A new material with Blender's principled shader in it."""
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.shader = self.tree.nodes["Principled BSDF"]

    def add(self, kind: str, **fields: Any) -> Any:
        """A new node; `fields` are its own properties."""
        node = self.tree.nodes.new(kind)
        for name, value in fields.items():
            setattr(node, name, value)
        return node

    def link(self, source: Any, target: Any) -> None:
        """Connects an output with an input."""
        self.tree.links.new(source, target)

    def put(self, **values: Any) -> None:
        """Sets inputs of the principled shader; `_` in a name stands for a space."""
        for name, value in values.items():
            self.shader.inputs[name.replace("_", " ")].default_value = value

    def math(self, operation: str, first: Any, second: Any) -> Any:
        """The output of an arithmetic node; each operand is an output or a number."""
        node = self.add("ShaderNodeMath", operation=operation)
        for socket, value in zip(node.inputs[:2], (first, second), strict=True):
            if isinstance(value, (int, float)):
                socket.default_value = value
            else:
                self.link(value, socket)
        return node.outputs[0]

    def mix(self, share: Any, first: Any, second: Any, how: str = "MIX") -> Any:
        """The output of a colour mix; operands are outputs, colours or a number for `share`."""
        node = self.add("ShaderNodeMix", data_type="RGBA", blend_type=how)
        for socket, value in zip((node.inputs[0], node.inputs[6], node.inputs[7]),
                                 (share, first, second), strict=True):  # fmt: skip
            if isinstance(value, tuple):
                socket.default_value = (*value, 1.0)
            elif isinstance(value, (int, float)):
                socket.default_value = value
            else:
                self.link(value, socket)
        return node.outputs[2]

    def attribute(self, name: str) -> Any:
        """The output of a number stored per vertex."""
        return self.add("ShaderNodeAttribute", attribute_name=name).outputs["Fac"]

    def noise(self, scale: float, detail: float = 5.0) -> Any:
        """The output of a noise in the object's own space; `scale` in bumps per cm."""
        place = self.add("ShaderNodeTexCoord").outputs["Object"]
        node = self.add("ShaderNodeTexNoise")
        node.inputs["Scale"].default_value = scale
        node.inputs["Detail"].default_value = detail
        self.link(place, node.inputs["Vector"])
        return node.outputs["Fac"]

    def bump(self, height: Any, strength: float, distance: float) -> None:
        """Roughens the surface by a height."""
        node = self.add("ShaderNodeBump")
        node.inputs["Strength"].default_value = strength
        node.inputs["Distance"].default_value = distance
        self.link(height, node.inputs["Height"])
        self.link(node.outputs["Normal"], self.shader.inputs["Normal"])

    def picture(self, path: Path) -> Any:
        """A texture node with a picture."""
        node = self.add("ShaderNodeTexImage", extension="EXTEND")
        node.image = bpy.data.images.load(str(path))
        return node


def skin(look: Look, assets: Path, scalp: Colour) -> Material:
    """A person's skin; vertices carry `scalp` (painted in the hair's colour), `lip`, `lid`."""
    n = Nodes("skin")
    assert look.skin is not None
    n.put(Subsurface_Weight=1.0, Subsurface_Radius=(1.0, 0.36, 0.2), Subsurface_Scale=0.22)
    n.put(Specular_IOR_Level=0.36)
    colour = n.mix(1.0, n.picture(assets / f"{look.skin}.jpg").outputs["Color"], look.tint,
                   "MULTIPLY")  # fmt: skip
    # What the texture is too coarse to show: blotches and freckles of slightly redder skin.
    blotches = n.math("MULTIPLY", n.noise(1.1, 8.0), 0.07)
    colour = n.mix(
        blotches, colour, tuple(c * t for c, t in zip((0.62, 0.30, 0.24), look.tint, strict=True))
    )
    # The textures wear eye shadow, which would show whenever a lid closes.
    bare = tuple(c * t for c, t in zip((0.60, 0.37, 0.27), look.tint, strict=True))
    colour = n.mix(n.math("MULTIPLY", n.attribute("lid"), look.bare_lids), colour, bare)
    rose = tuple(c * t**0.7 for c, t in zip((0.50, 0.10, 0.11), look.tint, strict=True))
    colour = n.mix(n.math("MULTIPLY", n.attribute("lip"), look.lips), colour, rose)
    colour = n.mix(n.attribute("scalp"), colour, scalp)
    n.link(colour, n.shader.inputs["Base Color"])
    rough = n.math("MULTIPLY_ADD", n.noise(9.0), 0.3)
    rough.node.inputs[2].default_value = 0.34
    n.link(rough, n.shader.inputs["Roughness"])
    pores = n.math("MULTIPLY_ADD", n.noise(24.0, 2.0), 0.5)
    n.link(n.noise(7.0), pores.node.inputs[2])
    n.bump(pores, look.lines, 0.04)
    return n.material


def shell(look: Look) -> Material:
    """An android's skin with a dark skull behind a lit seam; vertices carry `lip`, 0…1."""
    n = Nodes("shell")
    n.put(Subsurface_Weight=0.25, Subsurface_Radius=(1.0, 0.5, 0.3), Subsurface_Scale=0.2)
    n.put(Roughness=0.34, Coat_Weight=0.5, Coat_Roughness=0.12, Specular_IOR_Level=0.5)
    lips = tuple(t * share for t, share in zip(look.tint, (0.62, 0.66, 0.74), strict=True))
    colour = n.mix(n.attribute("lip"), look.tint, lips)
    skull = n.math("SUBTRACT", 1.0, _kept(n, _FACE_PLATE))
    seam = _kept(n, replace(_FACE_PLATE, width=0.45))
    n.link(n.math("MULTIPLY", seam, 2.5), n.shader.inputs["Emission Strength"])
    n.put(Emission_Color=(0.10, 0.70, 1.00, 1.0))
    n.link(n.mix(skull, colour, (0.05, 0.10, 0.19)), n.shader.inputs["Base Color"])
    n.link(n.math("MULTIPLY", skull, 0.7), n.shader.inputs["Metallic"])
    return n.material


def eyeball(iris: Path) -> Material:
    """White and iris from a picture."""
    n = Nodes("eye")
    n.put(Roughness=0.3, Subsurface_Weight=0.15, Subsurface_Radius=(0.6, 0.4, 0.3))
    n.put(Subsurface_Scale=0.1)
    n.link(n.picture(iris).outputs["Color"], n.shader.inputs["Base Color"])
    return n.material


def cornea() -> Material:
    """Clear and glossy, without caustics: lights are mirrored sharply, the iris shows unbent."""
    n = Nodes("cornea")
    n.tree.nodes.remove(n.shader)
    fresnel = n.add("ShaderNodeFresnel")
    fresnel.inputs[0].default_value = 1.38
    glossy = n.add("ShaderNodeBsdfGlossy")
    glossy.inputs["Roughness"].default_value = 0.03
    both = n.add("ShaderNodeMixShader")
    n.link(fresnel.outputs[0], both.inputs[0])
    n.link(n.add("ShaderNodeBsdfTransparent").outputs[0], both.inputs[1])
    n.link(glossy.outputs[0], both.inputs[2])
    n.link(both.outputs[0], n.tree.nodes["Material Output"].inputs[0])
    return n.material


def lashes(picture: Path) -> Material:
    """Lashes painted on cards."""
    n = Nodes("lashes")
    n.put(Base_Color=(0.008, 0.006, 0.005, 1.0), Roughness=0.6, Specular_IOR_Level=0.1)
    n.link(n.math("MULTIPLY", n.picture(picture).outputs["Alpha"], 0.9), n.shader.inputs["Alpha"])
    return n.material


def cloth(colour: Colour, edge: Edge | None, *, knitted: bool) -> Material:
    """A fabric that ends at an edge."""
    n = Nodes("cloth")
    n.put(Roughness=0.85, Specular_IOR_Level=0.2, Sheen_Weight=0.35)
    shade = n.math("MULTIPLY_ADD", n.noise(0.35, 3.0), 0.5)
    shade.node.inputs[2].default_value = 0.75
    n.link(n.mix(1.0, colour, shade, "MULTIPLY"), n.shader.inputs["Base Color"])
    if edge:
        n.link(_kept(n, edge), n.shader.inputs["Alpha"])
    if knitted:
        place = n.add("ShaderNodeTexCoord").outputs["Object"]
        knit = n.add("ShaderNodeTexWave", wave_type="BANDS", bands_direction="X")
        for name, value in (("Scale", 1.6), ("Distortion", 1.5), ("Detail", 2.0)):
            knit.inputs[name].default_value = value
        n.link(place, knit.inputs["Vector"])
        height = n.math("MULTIPLY_ADD", n.noise(6.0), 0.6)
        n.link(knit.outputs["Fac"], height.node.inputs[2])
        n.bump(height, 0.22, 0.12)
    else:
        n.bump(n.noise(4.0), 0.12, 0.2)
    return n.material


def _kept(n: Nodes, edge: Edge) -> Any:
    """1 where the garment is kept; in Blender's axes z is up and y points away."""
    place = n.add("ShaderNodeSeparateXYZ")
    n.link(n.add("ShaderNodeTexCoord").outputs["Object"], place.inputs[0])
    x, away, up = place.outputs
    across = n.math("MULTIPLY", n.math("ABSOLUTE", x, 0.0), edge.across)
    level = n.math("SUBTRACT", n.math("MULTIPLY", away, edge.tilt), up)
    value = n.math("ADD", n.math("ADD", across, edge.low), level)
    below = n.math("LESS_THAN", value, edge.width)
    return n.math("MULTIPLY", n.math("GREATER_THAN", value, 0.0), below)


def hair(melanin: float, redness: float) -> Material:
    """Blender's hair shader coloured by melanin."""
    return _strands("MELANIN", {"Melanin": melanin, "Melanin Redness": redness})


def silver_hair() -> Material:
    """Blender's hair shader without a hue."""
    return _strands("COLOR", {"Color": (0.60, 0.60, 0.61, 1.0)})


def _strands(how: str, colour: Mapping[str, Any]) -> Material:
    n = Nodes("hair")
    n.tree.nodes.remove(n.shader)
    strand = n.add("ShaderNodeBsdfHairPrincipled", parametrization=how)
    finish = {"Roughness": 0.34, "Radial Roughness": 0.5, "Random Roughness": 0.2}
    for name, value in {**colour, **finish}.items():
        strand.inputs[name].default_value = value
    if how == "MELANIN":
        strand.inputs["Random Color"].default_value = 0.35
    n.link(strand.outputs[0], n.tree.nodes["Material Output"].inputs[0])
    return n.material


def plain(colour: Colour, *, glow: float = 0.0) -> Material:
    """A smooth hard material that may give light."""
    n = Nodes("plain")
    n.put(Base_Color=(*colour, 1.0), Roughness=0.3, Emission_Color=(*colour, 1.0))
    n.put(Emission_Strength=glow)
    return n.material
