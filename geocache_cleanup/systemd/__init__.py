"""Everything that knows systemd: the journal, the manager, the timers, the settings file."""
