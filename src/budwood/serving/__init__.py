"""A server of trained models: HTTP and JSON, the Open Inference protocol, limits on all that comes in."""
