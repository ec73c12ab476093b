"""Trackers: a picture goes in, a face comes out."""
