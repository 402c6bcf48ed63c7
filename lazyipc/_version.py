"""The library's own version. A module apart, for what tells it must not import the public face."""

__version__ = "0.1.0"
