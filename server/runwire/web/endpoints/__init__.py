"""One resource a file. Floor 6; the server's loop."""
