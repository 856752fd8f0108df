"""PyTorch's schedulers."""

__all__: list[str] = []
