"""Prometheus and its node exporter, started from their packages without being installed."""

import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.host import CACHE, cache_lock, call
from helpers.servers.daemon import free_port

CONFIGURATION = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["{address}"]}}]
"""


def programs() -> Path:
    """Return the directory of the programs, promtool too, after getting them if there is none."""
    target, partial = CACHE / "prometheus", CACHE / "prometheus-partial"
    with cache_lock():
        if not target.exists():
            call("apt-get", "update")
            script = (
                'rm -rf "$1"; mkdir "$1"; cd "$1";'
                " apt-get download prometheus prometheus-node-exporter;"
                ' for package in *.deb; do dpkg-deb --extract "$package" .; done; rm ./*.deb'
            )
            call("sh", "-euc", script, "sh", partial)
            partial.rename(target)
    return target / "usr" / "bin"


def get(address: str) -> str:
    """Return what a server answers; raise OSError while there is none."""
    with urllib.request.urlopen(address, timeout=9) as answer:  # noqa: S310 - of our own
        return str(answer.read().decode())


@contextmanager
def _serving(program: Path, *arguments: str) -> Iterator[str]:
    """Start a server; yield its address, at which it may not answer yet."""
    address = f"127.0.0.1:{free_port()}"
    command = [str(program), f"--web.listen-address={address}", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield address
    finally:
        process.kill()
        process.wait(30)


@contextmanager
def exporting(programs: Path, directory: Path) -> Iterator[str]:
    """Start a node exporter that reads a directory; yield its address."""
    with _serving(
        programs / "prometheus-node-exporter",
        *("--collector.disable-defaults", "--collector.textfile"),
        f"--collector.textfile.directory={directory}",
    ) as address:
        yield address


@contextmanager
def collecting(programs: Path, exporter: str, data: Path) -> Iterator[str]:
    """Start a Prometheus that asks a node exporter each second; yield its address."""
    data.mkdir()
    (data / "prometheus.yml").write_text(CONFIGURATION.format(address=exporter))
    with _serving(
        programs / "prometheus",
        f"--config.file={data}/prometheus.yml",
        f"--storage.tsdb.path={data}",
    ) as address:
        yield address
