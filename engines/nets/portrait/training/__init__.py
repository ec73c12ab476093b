"""Training the compact set of networks on synthetic people: seeds go in, a checkpoint comes out.

`truth` and `people` make pictures with known keypoints, `batches` pairs of them; `losses` and
`training` teach the networks, `retargeting` the three small ones; `folder` writes the checkpoint.
"""
