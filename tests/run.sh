#!/bin/sh
# Install what the tests need and run them; arguments go to pytest.
#
# As root on Debian this is all of them: those that boot containers and those that start
# database servers install what they need themselves.
set -eu
cd "$(dirname "$0")/.."
. tests/environment.sh
extras=$(test_extras)
environment .venv --editable ".[$extras]"
exec .venv/bin/python -m pytest "$@"
