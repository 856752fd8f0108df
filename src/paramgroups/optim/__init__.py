"""Optimizers whose step does not pay for groups."""
