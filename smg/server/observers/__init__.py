"""Who hears what the lower layers tell: the log and the metrics."""
