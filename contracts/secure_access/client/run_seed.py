#!/usr/bin/env python3
"""Runs the vendor's printed sample program, unchanged, against a running demo, and checks all that it prints.

    run_seed.py --seed ../shared/seeds/003_….txt --demo demo.json [--times 3]

The seed is the document page that holds the program; it is cut out of it, never edited. The program exits with 0 even
when it fails, so its output is what counts.
"""

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from connect_proxy import ConnectProxy

HERE = Path(__file__).resolve().parent
SECONDS_PER_RUN = 120  # a run takes about one second; a busy machine may need more

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FIRST_SCOPES = ["deployments.roamingcomputers:read"]
SECOND_SCOPES = FIRST_SCOPES + ["deployments.roamingcomputers:write"]
COMPUTER_MEMBERS = {
    "originId": int, "deviceId": str, "name": str, "type": str, "status": str, "swgStatus": str,
    "lastSyncStatus": str, "lastSyncSwgStatus": str, "lastSync": str, "appliedBundle": int,
    "hasIpBlocking": bool, "version": str, "osVersion": str, "osVersionName": str,
}


class Mismatch(Exception):
    """The program printed something else than a success."""


def main():
    options = arguments()
    program = cut_program(options.seed.read_text(encoding="utf-8"))
    demo = json.loads(options.demo.read_text(encoding="utf-8"))
    for turn in range(1, options.times + 1):
        output, targets = run(program, demo)
        try:
            check(output)
            if targets != {"api.sse.cisco.com:443"}:
                raise Mismatch(f"it connected to {sorted(targets)}")
        except Mismatch as mismatch:
            print(f"run {turn} of {options.times}: {mismatch}\n--- what it printed:\n{output}", file=sys.stderr)
            sys.exit(1)
        print(f"run {turn} of {options.times}: to the end")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=Path, required=True, help="the document that holds the sample program")
    parser.add_argument("--demo", type=Path, required=True, help="the JSON file that `latchkey demo --out` wrote")
    parser.add_argument("--times", type=int, default=1, help="runs, one right after the other")
    return parser.parse_args()


def cut_program(page):
    """The program: from its opening docstring to the last line, after the heading `main.py`."""
    heading = page.index("\nmain.py\n")
    program = page[page.index('"""', heading):]
    ast.parse(program)
    return program


def run(program, demo):
    """Runs the program as a customer would, in a folder of its own; returns its output and whom it connected to."""
    target = urlsplit(demo["tls_url"])
    proxy = ConnectProxy(target.hostname, target.port).start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "main.py").write_text(program, encoding="utf-8")
            os.symlink(HERE / "cisco", Path(folder, "cisco"))
            environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
            environment |= {
                "HTTPS_PROXY": proxy.url,
                "REQUESTS_CA_BUNDLE": demo["ca_file"],
                "API_KEY": demo["secure_access"]["client_id"],
                "API_SECRET": demo["secure_access"]["client_secret"],
                "OUTPUT_DIR": folder,
                "TOKEN_URL": "https://api.sse.cisco.com/auth/v2/token",
                "PYTHONDONTWRITEBYTECODE": "1",
            }
            done = subprocess.run(
                [sys.executable, "main.py"], cwd=folder, env=environment, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS_PER_RUN,
            )
            return done.stdout, set(proxy.seen)
    finally:
        proxy.stop()


def check(output):
    """Raises Mismatch unless the output is that of a run in which every step succeeded."""
    lines = output.splitlines()
    if len(lines) < 8:
        raise Mismatch(f"{len(lines)} lines, at least 8 expected")

    listed = said(lines[0], r"Success\. GET apiKeys, (.*)")
    if listed["message"] != "success" or not isinstance(listed["keys"], list):
        raise Mismatch(f"a strange list of keys: {listed}")
    made = said(lines[1], r"Success\. POST apiKeys, (.*)")["key"]
    if not re.fullmatch(UUID, made["id"]) or not made["clientSecret"]:
        raise Mismatch(f"a strange key was made: {sorted(made)}")
    path = "apiKeys/" + made["id"]
    read = said(lines[2], rf"Success\. GET {path}, (.*)\.")["key"]
    if "clientSecret" in read or read["clientId"] != made["clientId"] or read["scopes"] != FIRST_SCOPES:
        raise Mismatch(f"the key reads back otherwise: {sorted(read)}")
    patched = said(lines[3], rf"Success\. PATCH {path}, (.*)")["key"]
    if patched["name"] != "second update api key for roaming computers" or patched["scopes"] != SECOND_SCOPES:
        raise Mismatch("the patch did not take")
    fresh = said(lines[4], rf"Success\. POST {path}/refresh, (.*)")["key"]
    if fresh["id"] != made["id"] or fresh["clientId"] == made["clientId"] or fresh["clientSecret"] == made["clientSecret"]:
        raise Mismatch("the refresh gave no new pair")
    computers = said(lines[5], r"Success\. GET roamingcomputers, (.*)")

    if lines[-1] != f"No Content. DELETE {path}.":
        raise Mismatch(f"it did not end with the deletion: {lines[-1]!r}")
    shown = json.loads("\n".join(lines[6:-1]))
    if shown != computers or not shown:
        raise Mismatch("no roaming computers were shown")
    for computer in shown:
        for member, kind in COMPUTER_MEMBERS.items():
            if type(computer.get(member)) is not kind:
                raise Mismatch(f"a computer whose {member} is {computer.get(member)!r}")


def said(line, pattern):
    """The value that a success line shows; it is printed as Python prints it."""
    match = re.fullmatch(pattern, line)
    if not match:
        raise Mismatch(f"expected {pattern!r}, got {line!r}")
    return ast.literal_eval(match[1])


if __name__ == "__main__":
    main()
