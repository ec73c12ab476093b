"""A picture or film of unknown origin goes in, what can be told of it comes out.

file ─► Verifier ─► a child process with limits: media ─► credentials, mark ─► Verdict ─► words

Nothing is fetched, and nothing of the file but hashes and what its credentials say comes back.
"""
