"""Drivers that ask a service about its instances."""
