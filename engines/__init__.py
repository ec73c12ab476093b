"""The models: pictures, sound and motion go in, pictures, sound and motion come out; no network."""
