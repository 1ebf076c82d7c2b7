"""Seeds: one number decides everything random in a model."""


def derive_seed(seed: int, index: int) -> int:
    """Return a seed of its own for each thing of a model that draws at random, in the range that Keras takes."""
    return (seed * 10_007 + index) % 2**31
