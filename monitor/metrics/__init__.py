"""What operators scrape. Nobody else imports prometheus_client; no globals, so that two daemons fit in one process."""

from monitor.metrics.metrics import Metrics

__all__ = ["Metrics"]
