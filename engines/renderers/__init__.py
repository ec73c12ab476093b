"""Renderers: an avatar and a motion go in, a picture comes out; no session state."""
