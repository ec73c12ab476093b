"""A presenter's own voice in, one that hides who speaks out: pitch and formants shifted."""
