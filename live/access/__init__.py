"""Who may ask what: tokens and addresses come in, requests go on to their routes or are refused.

request ─► host ─► CORS ─► origin ─► gate ─► route
                                      ├ token ─► grant (scopes), unless revoked
                                      ├ rule of the route
                                      └ rate of the token, or of the address

On loopback nothing is asked unless the operator says so; on any other address a token always is.
"""
