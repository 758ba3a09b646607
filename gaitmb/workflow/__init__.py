"""The verbs composed, cached and resumable; what the command line, the app and the studies call."""
