"""The version of Budwood."""

__version__ = "0.1.0"
