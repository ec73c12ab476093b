"""Drivers: a face (later: sound) goes in, motion comes out; one instance per session."""
