"""Calls held by several processes: one that everybody talks to, and its workers."""
