"""Where the built-in avatars and the synthetic test clip are made; serving never comes here.

It needs the packages of the dependency group `studio`; docs/avatars.md says how to run it.
"""
