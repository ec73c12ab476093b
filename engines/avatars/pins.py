"""What the built-in avatars have to be: the hash of each one's record, which has its files'.

It is written here, in code, so that whoever exchanges a face among the data does not do it unseen.
`tests/test_avatars.py` prints the line for a new or changed one.
"""

from __future__ import annotations

RECORDS = {
    "ada": "534c8bf303e6b533081c9fda4f522531c448171242e05e32ecdfa557c6149a59",
    "amara": "e10493974c8b8bd9fae1570e1dcbfedff54e3e22c706ba51a4210a56f6206101",
    "hana": "5d2621b0f70b41ba08ce73cdcb383ffc9db4f441051c62bd89110b23bee726a8",
    "kofi": "e9cce66418672c123eab52066d63000c026bf748f39d487015ecc0f99fab5c50",
    "leo": "c4489195b0bf47f78d0f2478f33bd8e82974cafb71d0962216591a403da728e8",
    "mira": "56490fd9c72f4326080ba881f1e3702ebbab2bfa91246542a39ab629401d950a",
    "nova": "5f917f0d928a46681ab4d56ccb9de2d67ed1c24c595bc86f8c5372967926f89f",
    "ruth": "963b6afb8f2e14fcc263f648ab23100d76fed28d5aa756a6600b3c0148123564",
    "sam": "8b3f6e1c619aed74fc6f8f2ce199f6ec87cf6fbbf44d63383180267c44e78ac2",
}
"""SHA-256 of `record.json` by the avatar's id."""
