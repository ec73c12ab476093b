"""Networks of our own: how each is made into a file that serves. Never imported to serve."""
