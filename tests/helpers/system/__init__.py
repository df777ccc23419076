"""Debian 12 and 13 with a real systemd, in containers which the tests boot themselves."""
