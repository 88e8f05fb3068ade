"""HTTP and WebSocket. Floor 6; everything here runs on the server's loop."""
