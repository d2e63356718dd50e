"""Channels that carry an alert to people, one file each."""
