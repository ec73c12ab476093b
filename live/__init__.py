"""The server: people, peers and time; it knows no tensors."""
