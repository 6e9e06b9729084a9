#!/usr/bin/env python3
"""Runs clients of Cortex, unmodified, against a running demo: the documented recipe, demisto-py, cortex-xdr-client, and
every program that the server shows for its keys. Each client's calls are compared with what it should have called.

    run.py --demo demo.json
"""

import argparse
import hashlib
import http.client
import json
import os
import secrets
import string
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "secure_access/client"))

from connect_proxy import ConnectProxy  # noqa: E402

SECONDS = 60  # a program takes about one second; a busy machine may need more
UNAUTHORIZED = {"reply": {"err_code": 401, "err_msg": "Public API request unauthorized", "err_extra": None}}
KEYS = "/public_api/v1/api_keys/"


class Calls:
    """What is called while it is entered, seen below every client: method and path."""

    def __enter__(self):
        self.seen, self._send = [], http.client.HTTPConnection.putrequest
        seen, send = self.seen, self._send

        def record(connection, method, url, *words, **more):
            if method != "CONNECT":
                seen.append((method, urlsplit(url).path))
            return send(connection, method, url, *words, **more)

        http.client.HTTPConnection.putrequest = record
        return self

    def __exit__(self, *_):
        http.client.HTTPConnection.putrequest = self._send

    def were(self, *expected):
        equal(self.seen, list(expected))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", type=Path, required=True, help="the JSON file that `latchkey demo --out` wrote")
    demo = json.loads(parser.parse_args().demo.read_text(encoding="utf-8"))
    for step in (recipe, reuse, demisto, cortex_xdr, incidents, examples):
        step(demo)
        print(f"{step.__name__}: holds", flush=True)


def equal(got, expected):
    if got != expected:
        raise SystemExit(f"expected {expected!r}\n     got {got!r}")


def standard(key):
    return {"x-xdr-auth-id": str(key["id"]), "Authorization": key["key"]}


def advanced(key, ahead_ms=0):
    """As the vendor documents it: a random text of 64 characters, milliseconds, SHA-256 over key, text and time."""
    nonce = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(64))
    timestamp = int(time.time() * 1000) + ahead_ms
    digest = hashlib.sha256((key["key"] + nonce + str(timestamp)).encode("utf-8")).hexdigest()
    return {
        "x-xdr-timestamp": str(timestamp), "x-xdr-nonce": nonce, "x-xdr-auth-id": str(key["id"]), "Authorization": digest,
    }


def post(demo, headers, path, data):
    return requests.post(demo["base_url"] + path, headers=headers, json={"request_data": data}, timeout=SECONDS)


def recipe(demo):
    for level, sign in (("standard", standard), ("advanced", advanced)):
        admin = demo["cortex"][level]
        with Calls() as calls:
            valid = requests.post(demo["base_url"] + "/api_keys/validate/", headers=sign(admin), json={}, timeout=SECONDS)
            equal((valid.status_code, valid.json()), (200, "true"))
            made = post(demo, sign(admin), KEYS + "generate", {"roles": ["Viewer"], "security_level": level, "comment": "recipe"})
            key = made.json()["reply"]
            equal((made.status_code, len(key["key"]), sorted(key)), (200, 128, ["id", "key"]))
            valid = requests.get(demo["base_url"] + "/api_keys/validate", headers=sign(key), timeout=SECONDS)
            equal((valid.status_code, valid.json()), (200, "true"))
            by_id = {"filters": [{"field": "id", "operator": "in", "value": [key["id"]]}]}
            listed = post(demo, sign(admin), KEYS + "get_api_keys", by_id)
            shown = listed.json()["reply"]
            equal(shown["FILTER_COUNT"], 1)
            equal([shown["DATA"][0][name] for name in ("id", "security_level", "roles")], [key["id"], level, ["Viewer"]])
            equal(key["key"] in listed.text, False)
            gone = post(demo, sign(admin), KEYS + "delete", by_id)
            equal(gone.json(), {"reply": {"update_count": 1}})
            refused = requests.get(demo["base_url"] + "/api_keys/validate", headers=sign(key), timeout=SECONDS)
            equal((refused.status_code, refused.json()), (401, UNAUTHORIZED))
        calls.were(
            ("POST", "/api_keys/validate/"), ("POST", KEYS + "generate"), ("GET", "/api_keys/validate"),
            ("POST", KEYS + "get_api_keys"), ("POST", KEYS + "delete"), ("GET", "/api_keys/validate"),
        )


def reuse(demo):
    """Headers that are made once per task serve its different requests; nothing else comes twice."""
    key = demo["cortex"]["advanced"]
    headers = advanced(key)
    equal(post(demo, headers, KEYS + "get_api_keys", {}).status_code, 200)
    equal(post(demo, headers, "/public_api/v1/rbac/get_users", {}).status_code, 200)
    equal(post(demo, headers, KEYS + "get_api_keys", {}).json(), UNAUTHORIZED)
    equal(post(demo, advanced(key, -10 * 60 * 1000), KEYS + "get_api_keys", {}).json(), UNAUTHORIZED)
    equal(post(demo, standard(key), KEYS + "get_api_keys", {}).json(), UNAUTHORIZED)
    equal(post(demo, advanced(demo["cortex"]["standard"]), KEYS + "get_api_keys", {}).json(), UNAUTHORIZED)


def demisto(demo):
    import demisto_client

    for level, named in (("standard", "api_key"), ("advanced", "advanced_api_key")):
        key = demo["cortex"][level]
        client = demisto_client.configure(base_url=demo["base_url"], auth_id=str(key["id"]), **{named: key["key"]})
        with Calls() as calls:
            body, status, _ = demisto_client.generic_request_func(
                self=client, path=KEYS + "get_api_keys", method="POST", body={"request_data": {}},
                content_type="application/json", accept="application/json", response_type="object",
            )
            equal((status, "DATA" in body["reply"]), (200, True))
            _, status, _ = demisto_client.generic_request_func(self=client, path="/api_keys/validate", method="GET")
            equal(status, 200)
        calls.were(("POST", "/xsoar" + KEYS + "get_api_keys"), ("GET", "/xsoar/api_keys/validate"))


def cortex_xdr(demo):
    """It insists on HTTPS and on a host that begins with `api-`, which the demo's certificate has."""
    from cortex_xdr_client.api.authentication import Authentication, AuthenticationType
    from cortex_xdr_client.client import CortexXDRClient

    target = urlsplit(demo["tls_url"])
    proxy = ConnectProxy(target.hostname, target.port).start()
    os.environ |= {"HTTPS_PROXY": proxy.url, "REQUESTS_CA_BUNDLE": demo["ca_file"]}
    try:
        for level, kind in (("standard", AuthenticationType.STANDARD), ("advanced", AuthenticationType.ADVANCED)):
            key = demo["cortex"][level]
            client = CortexXDRClient(Authentication(key["key"], key["id"], kind), "latchkey.test", api_version=5)
            keys, iam = client.api_keys_api, client.iam_api
            with Calls() as calls:
                equal(keys.get_api_keys()["reply"]["TOTAL_COUNT"], 2)
                made = keys.generate(roles=["Viewer"], security_level=level, comment="client")["reply"]["id"]
                equal(iam.get_api_key_by_id(api_key_id=made)["data"]["roles"], ["Viewer"])
                iam.edit_apikey(api_key_id=made, roles=["Investigator"], security_level=level)
                equal(iam.get_api_key_by_id(api_key_id=made)["data"]["roles"], ["Investigator"])
                by_id = [{"field": "id", "operator": "in", "value": [made]}]
                equal(keys.delete(filters=by_id), {"reply": {"update_count": 1}})
                role = iam.create_role(pretty_name=f"Reads {level}", component_permissions=["dashboards_view"])
                role = role["data"]["message"].split()[1]
                equal(role in [known["role_id"] for known in iam.list_roles()["data"]], True)
                iam.delete_role(role_id=role)
                equal(iam.list_users()["metadata"]["total_count"], 0)
            one = f"/platform/iam/v1/api-key/{made}"
            roles = "/platform/iam/v1/role"
            calls.were(
                ("POST", KEYS + "get_api_keys"), ("POST", KEYS + "generate"), ("GET", one), ("PUT", one), ("GET", one),
                ("POST", KEYS + "delete"), ("POST", roles), ("GET", roles), ("DELETE", f"{roles}/{role}"),
                ("GET", "/platform/iam/v1/user"),
            )
        equal(set(proxy.seen), {"api-latchkey.test:443"})
    finally:
        del os.environ["HTTPS_PROXY"], os.environ["REQUESTS_CA_BUNDLE"]
        proxy.stop()


def incidents(demo):
    """An API behind the gateway opens to the same keys, and to those alone whose roles say so."""
    path = "/public_api/v1/incidents/get_incidents"
    for level, sign in (("standard", standard), ("advanced", advanced)):
        answer = post(demo, sign(demo["cortex"][level]), path, {"search_from": 0})
        equal((answer.status_code, answer.json()["reply"]["total_count"]), (200, 1))
    made = post(demo, standard(demo["cortex"]["standard"]), KEYS + "generate", {"roles": ["CLI"], "security_level": "standard"})
    refused = post(demo, standard(made.json()["reply"]), path, {})
    equal((refused.status_code, refused.json()["reply"]["err_msg"]), (403, "Insufficient permissions for api key"))


def examples(demo):
    """Every program that is shown for the two keys runs as it is shown."""
    native = {"Authorization": "Bearer " + demo["native"]["admin_key"]}

    def get(path):
        answer = requests.get(demo["base_url"] + path, headers=native, timeout=SECONDS)
        answer.raise_for_status()
        return answer.json()["items"]

    tenant = next(one["id"] for one in get("/api/v1/organizations") if one["name"] == "Cortex tenant")
    keys = get(f"/api/v1/keys?product=cortex&organization_id={tenant}&state=active")
    ran = []
    for level, name in (("standard", "Standard key"), ("advanced", "Advanced key")):
        key = next(key for key in keys if key["name"] == name)
        secret = demo["cortex"][level]["key"]
        for example in get(f"/api/v1/keys/{key['id']}/examples"):
            equal(secret in example["code"], False)
            command = {"python": [sys.executable, "-c"], "shell": ["bash", "-c"]}[example["language"]]
            environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
            done = subprocess.run(
                [*command, example["code"]], env=environment | {"LATCHKEY_SECRET": secret},
                capture_output=True, text=True, timeout=SECONDS,
            )
            expected = {"python": "200 true", "shell": '"true"'}[example["language"]]
            equal((done.returncode, done.stdout.strip()), (0, expected))
            ran.append((level, example["language"]))
    equal(ran, [("standard", "python"), ("standard", "shell"), ("advanced", "python")])


if __name__ == "__main__":
    main()
