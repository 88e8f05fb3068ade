"""Runs in processes of their own: what the server, the fork server, a run's guard and its worker do. Floor 5.

    server ── fork server ── guard of run A ── worker of run A ── whatever the agent starts
                         └── guard of run B ── …

The **fork server** (``fork_server.py``) has imported the agents and forks a guard when asked. The **guard**
(``guard.py``) forks the worker, adopts every process that the run leaves behind, holds the limits, keeps the output,
kills the whole tree and says how it ended. The **worker** (``worker.py``) executes the attempt by the code that a
runner thread uses, with a log, artifacts and traversals that hop to the server through its ``link.py``. In the server,
``process_run.py`` stands where the agent would: what the worker says goes through the run's own emitter.
"""
