"""Transfer learning on a CPU: the same network, layers, photos and epochs in several frameworks."""
