"""What was done with whose face goes in; a log that shows every later change of it comes out.

event ─► line (its number, the hash of the line before, a signature) ─► file
                                 └ count and hash, signed ─► head, beside the file

The chain shows what was changed, put in, taken out or moved; the signature, that nobody without
the operator's key has made the chain anew; the head, that the end is still there.
"""

from live.audit.event import Event
from live.audit.log import AuditLog

__all__ = ["AuditLog", "Event"]
