"""gaitmb: gait severity from walks that can be defended.

Importing the package loads neither torch nor OpenCV, MediaPipe or Streamlit. The nouns live in
:mod:`gaitmb.data`, the verbs composed in :mod:`gaitmb.workflow`.
"""

from importlib.metadata import version as _version

__all__ = ["__version__"]

__version__ = _version("gaitmb")
