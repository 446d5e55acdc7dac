#!/usr/bin/env python3
"""Half an hour of mining on a GPU, then half an hour with its helper killed every 20 seconds: no wrong result may come.

    python3 benches/cuda/endure.py [--adit target/release/adit] [--device cuda:0] [--seconds 1800] [--every 20]

Mines on the built-in chain, whose blocks the host checks with its own digest. Prints one JSON object a line for each run:
hashes, blocks, shares refused, those that came too late for their block, wrong results, kills, what the helper's process used of a
processor once it was at work. Exits with 1 when a share was refused, a result was wrong, nothing was found, or no helper was killed
that was to be.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time


# Seconds until a helper that is up has found its pace.
SETTLED = 5


class Helper:
    """The helper's process, as the host last told of it."""

    def __init__(self):
        self.pid, self.up, self.kills, self.faults, self.cpu = None, False, 0, 0, 0.0
        self.stale, self.refused = 0, 0
        self.since, self.before = time.monotonic(), None

    def hear(self, line):
        if line["event"] == "device" and "state" in line:
            self.up = line["state"] in ("up", "healthy") or (self.up and line["state"] == "slow")
            self.pid = line.get("pid", self.pid) if self.up else None
            if line["state"] == "up":
                self.since, self.before = time.monotonic() + SETTLED, None
        if line["event"] == "share" and not line["accepted"]:
            # Two hits for one block: the second comes when the chain has moved on.
            late = (line.get("reason") or "").startswith("stale")
            self.stale, self.refused = self.stale + late, self.refused + (not late)
        for device in line.get("devices", [line] if line["event"] == "rate" else []):
            self.faults = max(self.faults, device.get("faults", 0))
        self.cpu = self.used() or self.cpu

    def used(self):
        """Processors that it keeps busy, since it had tested itself and found its pace."""
        try:
            with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
                words = file.read().rsplit(") ", 1)[1].split()
        except OSError:
            return None
        seconds = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        if time.monotonic() < self.since:
            return None
        if self.before is None:
            self.since, self.before = time.monotonic(), seconds
            return None
        return (seconds - self.before) / max(time.monotonic() - self.since, 1e-3)

    def kill(self):
        pid = self.pid
        if pid is not None and self.up:
            os.kill(pid, signal.SIGKILL)
            self.kills += 1


def mine(arguments, every):
    command = [arguments.adit, "mine", "--json", "--algorithm", arguments.algorithm, "--device", arguments.device,
               "--duration", str(arguments.seconds), "--block-time", "1"]
    helper, done = Helper(), {}
    over = threading.Event()

    def kill_now_and_then():
        while not over.wait(every):
            try:
                helper.kill()
            except ProcessLookupError:
                pass

    if every:
        threading.Thread(target=kill_now_and_then, daemon=True).start()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as host:
        for text in host.stdout:
            line = json.loads(text)
            helper.hear(line)
            done = line if line["event"] == "done" else done
    over.set()
    result = {"event": "endured", "algorithm": arguments.algorithm, "device": arguments.device, "seconds": done.get("seconds"),
              "hashes": done.get("hashes", 0), "hashes_per_s": done.get("hashes_per_s"), "blocks": done.get("blocks", 0),
              "refused": helper.refused, "stale": helper.stale, "wrong": helper.faults, "kills": helper.kills,
              "helper_cpus": round(helper.cpu, 4), "status": host.returncode}
    print(json.dumps(result), flush=True)
    return host.returncode == 0 and result["blocks"] > 0 and result["refused"] == 0 and result["wrong"] == 0 \
        and (not every or helper.kills > 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adit", default="target/release/adit")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--algorithm", default="sha256d")
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--every", type=float, default=20)
    arguments = parser.parse_args()
    results = [mine(arguments, None), mine(arguments, arguments.every)]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
