"""What the program tells about itself: logs now, metrics and traces beside them. Floor 1."""
