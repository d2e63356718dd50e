"""The daemon's face: the JSON API, the live feed and the dashboard."""
