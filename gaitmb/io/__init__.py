"""Every byte that is read or written."""
