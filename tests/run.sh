#!/bin/sh
# Install what the tests need and run them; arguments go to pytest.
#
# As root on Debian this is all of them: those that boot containers and those that start
# database servers install what they need themselves.
set -eu
cd "$(dirname "$0")/.."
. tests/environment.sh
extras=test
if can_install; then
    dpkg-query -W $DRIVER_PACKAGES >/dev/null 2>&1 || install_packages $DRIVER_PACKAGES
    extras=test,servers
fi
environment .venv --editable ".[$extras]"
exec .venv/bin/python -m pytest "$@"
