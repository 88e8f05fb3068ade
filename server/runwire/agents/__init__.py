"""The agents that ship, and how agents are found and made. Floor 4: knows contracts, no engine and no socket."""
