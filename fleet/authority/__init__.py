"""A certificate authority of one's own: it says which device is which, to the broker and to nobody else."""
