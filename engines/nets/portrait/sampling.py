"""A volume read at arbitrary places: trilinear, zeros outside, in three forms of one result.

All take `(b, c, d, h, w)` and places `(b, D, H, W, 3)` (x, y, z; −1 and 1 are the outer faces of
the outer cells, `align_corners=False`) and give `(b, c, D, H, W)`. Places need float32: in float16
they would be wrong by whole cells.

* `native`: one 5-D GridSample, which ONNX has since opset 20, TensorRT since 11.2 and TensorRT-RTX
  since 1.6; OpenVINO has none.
* `atlas`: two 4-D GridSamples on the slices laid under each other; runs wherever 2-D sampling does.
  The row number takes a few of float32's digits: cells' values are off by some 10⁻⁴ of their
  differences.
* `gather`: the eight corners fetched one by one; plain indexing.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def native(volume: Tensor, places: Tensor) -> Tensor:
    """By the operator for it."""
    return functional.grid_sample(volume, places, align_corners=False)


def _cells(places: Tensor, size: int) -> Tensor:
    """Places along one axis as cell numbers; centres of cells are whole numbers."""
    return ((places + 1) * size - 1) / 2


def atlas(volume: Tensor, places: Tensor) -> Tensor:
    """By two samples of a picture of all slices, each with a border of zeros, mixed along z."""
    b, c, d, h, w = volume.shape
    depth, height, width = places.shape[1:4]
    rows = h + 2
    slices = functional.pad(volume, (0, 0, 1, 1, 1, 1)).reshape(b, c, (d + 2) * rows, w)
    x, y, z = places.unbind(-1)
    row = _cells(y, h).clamp(-1, h) + 1
    z = _cells(z, d).clamp(-1, d)
    nearer = z.floor().clamp(max=d - 1)

    def sample(slice_number: Tensor) -> Tensor:
        atlas_row = (slice_number + 1) * rows + row
        atlas_y = (2 * atlas_row + 1) / ((d + 2) * rows) - 1
        grid = torch.stack([x, atlas_y], dim=-1).reshape(b, depth * height, width, 2)
        read = functional.grid_sample(slices, grid, align_corners=False)
        return read.reshape(b, c, depth, height, width)

    near, far = sample(nearer), sample(nearer + 1)
    return near + (far - near) * (z - nearer).unsqueeze(1)


def gather(volume: Tensor, places: Tensor) -> Tensor:
    """By the eight cells around each place, weighed."""
    b, c, d, h, w = volume.shape
    flat = volume.reshape(b, c, d * h * w)
    sizes = (w, h, d)
    axes = zip(places.unbind(-1), sizes, strict=True)
    cells = [_cells(axis, size).flatten(1) for axis, size in axes]
    floors = [axis.floor() for axis in cells]
    total = flat.new_zeros(())
    for corner in range(8):
        weight = torch.ones_like(cells[0])
        number = torch.zeros_like(cells[0], dtype=torch.int64)
        for i in (2, 1, 0):  # z, y, x: the cell's number is built up from the outermost axis
            at = floors[i] + (corner >> i & 1)
            inside = at.clamp(0, sizes[i] - 1)
            share = 1 - (cells[i] - at).abs()
            weight = weight * torch.where(at == inside, share, torch.zeros_like(share))
            number = number * sizes[i] + inside.long()
        read = flat.gather(2, number.unsqueeze(1).expand(-1, c, -1))
        total = total + read * weight.unsqueeze(1)
    return total.reshape(b, c, *places.shape[1:4])


SAMPLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "native": native,
    "atlas": atlas,
    "gather": gather,
}
"""The forms by name."""
