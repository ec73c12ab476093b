"""Synthetic people for training: seeds go in, sitters, acts and pictures come out.

Nobody's face is needed: shapes are MakeHuman's (CC0), colours and lights are drawn at random.
"""
