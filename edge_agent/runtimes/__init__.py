"""Runtimes, one a file, each imported only when it is chosen."""
