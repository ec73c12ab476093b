"""The refiner: a small network that corrects the mouth and the eyes of warped pictures.

Trained on synthetic people only: what the warp renderer makes of one picture of a person is laid
beside another picture of the same person, drawn with the motion that the warp renderer was given.
"""
