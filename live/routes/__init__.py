"""HTTP requests go in, answers come out: one module for each kind of thing that has an address."""
