"""Drivers: a face and what is heard go in, motion comes out; one instance per session."""
