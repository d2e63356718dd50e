"""Drivers that keep tracks, events and the outbox."""
