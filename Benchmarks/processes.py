"""What the benchmarks ask of a process that they started."""

import http.client
from pathlib import Path


def resident_bytes(pid="self"):
    """Resident memory; 0 if the process has none any more."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def is_ready(port):
    """Whether a daemon answers so on a connection of its own."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        link.request("GET", "/v2/health/ready")
        return link.getresponse().status == 200
    except OSError:
        return False
    finally:
        link.close()
