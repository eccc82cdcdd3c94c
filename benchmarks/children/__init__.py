"""The programs that the commands start, each in a process of its own: JSON requests in, JSON answers out."""
