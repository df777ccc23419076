#!/bin/sh
# Install what the tests need and run them; arguments go to pytest.
#
# As root on Debian this is all of them: those that boot containers and those that start
# database servers install what they need themselves.
set -eu
cd "$(dirname "$0")/.."
. tests/environment.sh
groups=$(test_groups)
environment .venv --editable . $groups
# Most tests wait for a server, a container or a lock: several at once take little more than one.
exec .venv/bin/python -m pytest --numprocesses 4 --dist loadfile "$@"
