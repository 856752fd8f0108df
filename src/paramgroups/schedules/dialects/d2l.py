"""Dive into Deep Learning's schedulers."""

__all__: list[str] = []
