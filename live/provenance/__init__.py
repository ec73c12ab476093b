"""What was made here and with whose consent, in a form that a stranger can check.

Films carry content credentials (C2PA): `credentials` signs them, `reading` reads any file's. A call
in progress has no form of those yet: `statement` is a signed document about it.
"""
