"""The command line: a command a file. Floor 8; imports only what the command needs."""
