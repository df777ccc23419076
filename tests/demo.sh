#!/bin/sh
# Make a small SQLite database as BanGUI has it, prune it, and show what happened.
set -eu
cd "$(dirname "$0")/.."
. tests/environment.sh
environment .venv --editable .
exec .venv/bin/python tests/demo.py
