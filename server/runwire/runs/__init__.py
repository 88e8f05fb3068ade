"""What a run is, without any machinery: its states, its record, its limits. Floor 1."""
