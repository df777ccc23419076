# Sourced by the scripts beside it, from the top of the source: makes a virtual environment.
#
#   environment DIRECTORY [PIP ARGUMENT ...]    such as --editable . --group test
#
# On a fresh Debian, root gets what Python lacks there; others are told what to install.

# What a machine sets for Python, such as PYTHONUNBUFFERED, could hide what others would meet.
for variable in $(env | sed -n 's/^\(PYTHON[A-Z0-9_]*\)=.*/\1/p'); do
    unset "$variable"
done

PYTHON_PACKAGES="python3 python3-venv"
# For mysqlclient, which comes as source only.
DRIVER_PACKAGES="gcc libc6-dev libmariadb-dev pkg-config python3-dev"

can_install() {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null
}

install_packages() {
    apt-get update -q >&2
    # Another session may be at it.
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
        --option=DPkg::Lock::Timeout=900 "$@" >&2
}

# Prints the dependency groups that the tests need: with the drivers, where servers can be started.
test_groups() {
    if can_install; then
        dpkg-query -W $DRIVER_PACKAGES >/dev/null 2>&1 || install_packages $DRIVER_PACKAGES
        echo --group test --group servers
    else
        echo --group test
    fi
}

find_python() {
    for python in python3 python3.13 python3.12 python3.11; do
        if "$python" -c 'import ensurepip, sqlite3, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    return 1
}

install_python() {
    if ! can_install; then
        echo "Python 3.11 or newer with venv is needed: apt-get install $PYTHON_PACKAGES" >&2
        return 1
    fi
    install_packages $PYTHON_PACKAGES
}

environment() {
    directory=$1
    shift
    if [ ! -x "$directory/bin/pip" ]; then
        python=$(find_python) || { install_python && python=$(find_python); } || return 1
        "$python" -m venv "$directory"
    fi
    # That of Debian 12 has no --group.
    "$directory/bin/pip" install --quiet --disable-pip-version-check 'pip>=25.1'
    "$directory/bin/pip" install --quiet --disable-pip-version-check "$@"
    # A checkout may be run where nobody writes bytecode, and each start would compile it anew.
    "$directory/bin/python" -m compileall -q geocache_cleanup
}
