"""The database and the files on disk. Floor 4: rows never leave this package, frozen records do.

Threads: every SQLite write goes through one writer thread (``writer.py``), reads through two reader threads
(``reader.py``); nothing here runs on the server's loop but the short coroutines that hop to those threads.
"""
