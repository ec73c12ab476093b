"""Who may ask what: tokens and addresses come in, requests go on to their routes or are refused.

connection ─► request ─► CORS ─► origin ─► gate ─► route
  └ bounded                                  ├ without tokens: the host's name is loopback's
                                             └ with them: rule of the route, token, scopes, rate

On loopback nothing is asked unless the operator says so; on any other address a token always is.
"""
