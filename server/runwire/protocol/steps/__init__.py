"""The step language of browser tests, as pure functions over text. Floor 2; any thread; no I/O, knows no browser.

``target`` says what a step points at, ``actions`` what a step does, ``tokens`` and ``pattern`` how a sentence is read,
``forms`` is the table of all sentences, ``testfile`` reads a whole test.
"""
