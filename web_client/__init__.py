"""The web client, served as it is: ES modules, no build step."""
