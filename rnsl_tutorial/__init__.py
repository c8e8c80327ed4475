"""Noisy-label deep metric learning on satellite and aerial images.

Start with ``losses`` (the mathematics of the paper), ``noise`` (wrong labels on purpose) and the
numbered notebooks, which ``rnsl lab`` opens.
"""

from importlib.metadata import version

__version__ = version("rnsl-tutorial")
