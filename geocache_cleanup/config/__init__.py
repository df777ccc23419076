"""From options, environment and credential to checked settings."""
