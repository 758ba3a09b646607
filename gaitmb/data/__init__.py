"""The nouns: immutable values on NumPy and pandas, without files and without torch."""
