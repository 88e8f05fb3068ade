"""The chat model behind agents: the one that the settings name, or a scripted one in test mode. Floor 4."""
