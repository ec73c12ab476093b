"""Who has agreed to what with their face: signed records, their revocation, and who may open what.

`record` says what a consent record is, `granting` makes one, `fingerprint` tells its portrait from
others, `revocations` keeps what was taken back. `authority` puts them together and gives the
`Permit` without which no avatar is shown; `permitted` ties it to the pixels that are shown.
"""
