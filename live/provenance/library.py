"""How the C2PA library is told to behave: settings in, a context that asks nothing of any network.

A remote manifest, a certificate's revocation and a time-stamping authority would each be asked
over the network, and told thereby that somebody looks at a file. None is.
"""

from __future__ import annotations

from typing import Any

import c2pa

EXTENDED_KEY_USAGES = {
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.36": "documentSigning",
    "1.3.6.1.4.1.62558.2.1": "c2pa-kp-claimSigning",
}
"""What a certificate has to be for, one of these at least, to sign claims."""


def offline(*, anchors: list[dict[str, str]] | None = None) -> c2pa.Context:
    """A context without network; `anchors` say whom it trusts: nobody, unless told.

    Each of these has `trust_uri` (a name for it), and `trust_anchors` (roots) or `allowed_list`
    (signing certificates themselves) in PEM.
    """
    settings: dict[str, Any] = {
        "core": {"allowed_network_hosts": [], "allow_redirects": False},
        "verify": {
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
            "verify_after_reading": True,
            "verify_after_sign": True,
            "verify_trust": True,
        },
        "trust": {
            "anchors": [{"trust_kind": "manifest", **one} for one in anchors or []],
            "trust_config": "\n".join(EXTENDED_KEY_USAGES),
        },
        "builder": {
            "thumbnail": {"enabled": False},
            "auto_timestamp_assertion": {"enabled": False},
            # else bytes could be hidden in boxes that no player shows
            "bmff_hash_exclude_free_and_skip_boxes": False,
        },
    }
    return c2pa.Context(c2pa.Settings.from_dict(settings))
