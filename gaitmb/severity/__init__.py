"""Severity: classifiers, splits that keep participants whole, metrics with intervals."""
