"""The refined renderer: the warp renderer's pictures with mouth and eyes corrected by a network."""
