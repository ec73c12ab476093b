"""Pictures and voice that leave a call go in, an MP4 file with content credentials comes out.

worker ─► Stamped ──────┐
                        ├─► Recorder (a bounded queue, a thread of its own) ─► Film ─► published
egress ─► Opus packets ─┘

Only where the operator has switched it on, only with consent for it, and only from the moment on
at which the client has been told. A call is never slower for it, and goes on where it fails.
"""
