"""`/.well-known/jwks.json`: the key with which this server's signed documents can be checked."""

from __future__ import annotations

import json

from aiohttp import web

from live import signed
from live.keys import OperatorKeys

_MEDIA_TYPE = "application/jwk-set+json"  # RFC 7517


class KeyRoutes:
    """Tells everybody the public half of the signing key."""

    def __init__(self, keys: OperatorKeys) -> None:
        """The mark key stays here: who has it can take marks away."""
        key = signed.public_jwk(keys.signing.public_key())
        self._body = json.dumps({"keys": [{**key, "use": "sig", "alg": "EdDSA"}]}).encode()

    def table(self) -> list[web.RouteDef]:
        """The routes."""
        return [web.get("/.well-known/jwks.json", self.jwks)]

    async def jwks(self, request: web.Request) -> web.Response:
        """A JSON Web Key Set."""
        return web.Response(body=self._body, content_type=_MEDIA_TYPE)
