"""A recording in, the avatar's video file out: the pipeline of a call, frame for frame."""
