"""The stages of a picture's way through the server: together its whole time, without a gap."""

from __future__ import annotations

from live.pipeline import ROOMS

STAGES = ("receive", "decode", "wait", "convert", *ROOMS, "hand_over", "encode", "send")
"""In the order in which a picture passes them; the rooms are those of `live.pipeline`.

- `receive`: from its first packet to its last, with what had to be sent again;
- `decode`: until the decoder's thread has it as a picture, with the wait for that thread;
- `wait`: in the mailbox, until the call's worker has time for it;
- `convert`: to what the tracker looks at, which is next to nothing, and the sound that has come;
- `hand_over`: from the stamped picture to the encoder: its planes, the way from the worker's thread
  to the event loop, and the wait for the picture before to be sent;
- `encode`: until its packets are there, with the way to the encoder's thread and back;
- `send`: until the last packet has been encrypted and given to the socket.

A picture that is drawn without a camera's begins with `drive`.
"""
