"""Voices: a text goes in, speech comes out stretch by stretch; one instance for all sessions."""
