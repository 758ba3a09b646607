"""Gait events and measures."""
