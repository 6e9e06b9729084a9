#!/usr/bin/env python3
"""Runs the vendor's published client, threatresponse from PyPI, unmodified against a running demo.

    run.py --demo demo.json

Every call that it makes is written down on its way, and the list is compared: a client that gives up quietly, or asks
twice where once is enough, is found.
"""

import argparse
import base64
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import requests
from threatresponse import ThreatResponse

from recorder import Recorder

HOSTS = {
    "visibility": "visibility.amp.cisco.com",
    "private_intel": "private.intel.amp.cisco.com",
    "global_intel": "intel.amp.cisco.com",
}
TOKEN = "visibility: POST /iroh/oauth2/token"
INSPECT = "visibility: POST /iroh/iroh-inspect/inspect"
TOO_MANY = b'{"error": "Too Many Requests"}'
LIMIT = "x-ratelimit-org-limit"
SLICE = 5  # seconds: an hour is counted in slices of 3.6 s, rounded up


class Mismatch(Exception):
    """Something else happened than what is promised."""


class Runs:
    """The scenarios, each with a client of its own."""

    def __init__(self, demo):
        self.demo, self.facts = demo, demo["threat_response"]
        target = urlsplit(demo["base_url"])
        self.recorder = Recorder(target.hostname, target.port, HOSTS)

    def client(self, facts=None, prefix=""):
        facts = facts or self.facts
        return ThreatResponse(
            client_id=facts[prefix + "client_id"],
            client_password=facts[prefix + "client_password"],
            environment=self.recorder.urls(),
        )

    def expect_calls(self, *expected):
        calls = self.recorder.taken()
        got = [str(call) for call in calls]
        if got != list(expected):
            raise Mismatch("it called\n  %s\nand not\n  %s" % ("\n  ".join(got), "\n  ".join(expected)))
        return calls

    def the_client_asks_every_api(self):
        client = self.client()
        same(client.inspect.inspect({"content": "cisco.com and 192.0.2.7"}), [
            {"value": "cisco.com", "type": "domain"}, {"value": "192.0.2.7", "type": "ip"},
        ])
        observables = [{"value": "malicious.example", "type": "domain"}]
        verdicts = client.enrich.deliberate.observables(observables)
        same(verdicts["data"][0]["data"]["verdicts"]["docs"][0]["disposition"], 2)
        same(client.enrich.refer.observables(observables)["data"][0]["categories"], ["Search"])
        same(client.response.respond.observables(observables)["data"][0]["id"], "block")
        same(client.response.respond.trigger("harbour", "block", "domain", "malicious.example")["data"]["status"], "success")
        same(client.enrich.health()["data"][0]["data"]["health"]["status"], "ok")
        same(client.private_intel.incident.search.get()[0]["type"], "incident")
        same(client.private_intel.casebook.post({"title": "A case"})["title"], "A case")
        same(client.global_intel.judgement.search.get()[0]["type"], "judgement")
        whoami = client.profile.whoami()
        same(whoami["org"]["id"], self.facts["organization_id"])
        same(client.profile.org.get()["name"], whoami["org"]["name"])
        calls = self.expect_calls(
            f"{TOKEN} 200", f"{INSPECT} 200",
            "visibility: POST /iroh/iroh-enrich/deliberate/observables 200",
            "visibility: POST /iroh/iroh-enrich/refer/observables 200",
            "visibility: POST /iroh/iroh-response/respond/observables 200",
            "visibility: POST /iroh/iroh-response/respond/trigger/harbour/block"
            "?observable_type=domain&observable_value=malicious.example 200",
            "visibility: POST /iroh/iroh-enrich/health 200",
            "private_intel: GET /ctia/incident/search 200",
            "private_intel: POST /ctia/casebook 201",
            "global_intel: GET /ctia/judgement/search 200",
            "visibility: GET /iroh/profile/whoami 200",
            "visibility: GET /iroh/profile/org 200",
        )
        same(calls[0].body, b"grant_type=client_credentials")
        for call in calls[1:]:
            same(call.answer_headers[LIMIT], "8000")

    def its_commands_read_verdicts_and_targets(self):
        client = self.client()
        found = client.commands.verdict("malicious.example")["verdicts"]
        same([(one["observable_value"], one["disposition_name"]) for one in found], [("malicious.example", "Malicious")])
        targets = client.commands.targets("cisco.com")["targets"]
        same(targets[0]["targets"][0]["observables"], [{"type": "hostname", "value": "harbour-1"}])
        self.expect_calls(
            f"{TOKEN} 200",
            f"{INSPECT} 200", "visibility: POST /iroh/iroh-enrich/deliberate/observables 200",
            f"{INSPECT} 200", "visibility: POST /iroh/iroh-enrich/observe/observables 200",
        )

    def a_token_that_ended_is_renewed_once(self):
        client = self.client()
        self.end_token(self.recorder.calls[0])
        same(client.inspect.inspect({"content": "cisco.com"}), [{"value": "cisco.com", "type": "domain"}])
        calls = self.expect_calls(f"{TOKEN} 200", f"{INSPECT} 401", f"{TOKEN} 200", f"{INSPECT} 200")
        same(json.loads(calls[1].answer)["error"], "jwt_revoked")

    def a_token_alone_is_enough_and_is_not_renewed(self):
        self.client()
        token = json.loads(self.recorder.calls[0].answer)["access_token"]
        client = ThreatResponse(token=token, environment=self.recorder.urls())
        same(client.inspect.inspect({"content": "a.example"}), [{"value": "a.example", "type": "domain"}])
        self.end_token(self.recorder.calls[0])
        refused(401, lambda: client.inspect.inspect({"content": "a.example"}))
        self.expect_calls(
            f"{TOKEN} 200", "visibility: GET /iroh/iroh-enrich/settings 200", f"{INSPECT} 200", f"{INSPECT} 401",
        )

    def a_wrong_password_is_told(self):
        facts = {"client_id": self.facts["client_id"], "client_password": "x" * 54}
        same(refused(400, lambda: self.client(facts)).json()["error"], "wrong_client_creds")
        facts = {**facts, "client_id": "client-00000000-0000-4000-8000-000000000000"}
        same(refused(400, lambda: self.client(facts)).json()["error"], "invalid_client")
        self.expect_calls(f"{TOKEN} 400", f"{TOKEN} 400")

    def a_missing_scope_is_told_and_asked_for_once(self):
        client = self.client(prefix="read_only_")
        client.inspect.inspect({"content": "cisco.com"})
        told = refused(403, lambda: client.response.respond.trigger("harbour", "block")).json()
        same((told["error"], told["missing-scopes"]), ("missing_scope", ["response/trigger:write"]))
        told = refused(403, lambda: client.private_intel.incident.search.get()).json()
        same(told["error"], "missing_capability")
        self.expect_calls(
            f"{TOKEN} 200", f"{INSPECT} 200",
            "visibility: POST /iroh/iroh-response/respond/trigger/harbour/block 403",
            "private_intel: GET /ctia/incident/search 403",
        )

    def a_bad_body_is_told(self):
        client = self.client(prefix="read_only_")
        same(refused(400, lambda: client.inspect.inspect({})).json(), {"content": "missing-required-key"})
        self.expect_calls(f"{TOKEN} 200", f"{INSPECT} 400")

    def an_organization_reaches_its_limit(self):
        limited = self.facts["limited"]
        one, other = [self.client(facts) for facts in limited["clients"]]
        ask = {"content": "cisco.com"}
        for turn in range(limited["limit"]):
            (one, other)[turn % 2].inspect.inspect(ask)
        answer = refused(429, lambda: other.inspect.inspect(ask))
        same((answer.content, len(answer.content)), (TOO_MANY, 30))
        same(LIMIT in answer.headers, False)
        if not 0 < int(answer.headers["Retry-After"]) <= 3600 + SLICE:
            raise Mismatch(f"Retry-After is {answer.headers['Retry-After']}")
        refused(429, lambda: one.inspect.inspect(ask))
        unlimited = self.client(limited["unlimited"])
        for _ in range(limited["limit"] + 1):
            unlimited.inspect.inspect(ask)
        admitted = [f"{INSPECT} 200"] * limited["limit"]
        calls = self.expect_calls(
            f"{TOKEN} 200", f"{TOKEN} 200", *admitted, f"{INSPECT} 429", f"{INSPECT} 429",
            f"{TOKEN} 200", *admitted, f"{INSPECT} 200",
        )
        same(calls[2].answer_headers[LIMIT], str(limited["limit"]))
        same(calls[-1].answer_headers[LIMIT], None)

    def the_documented_requests_are_answered(self):
        """What the vendor's guide writes with curl, and with a JSON body."""
        url = self.recorder.url("visibility") + "/iroh/oauth2/token"
        facts = self.facts
        pair = f"{facts['read_only_client_id']}:{facts['read_only_client_password']}"
        basic = "Basic " + base64.b64encode(pair.encode()).decode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", "Authorization": basic}
        form = requests.post(url, data="grant_type=client_credentials", headers=headers, timeout=30)
        wish = {
            "client_id": facts["read_only_client_id"], "client_password": facts["read_only_client_password"],
            "grant_type": "client_credentials",
        }
        for answer in (form, requests.post(url, json=wish, headers={"Accept": "application/json"}, timeout=30)):
            told = answer.json()
            same(list(told), ["access_token", "token_type", "expires_in", "scope"])
            same((told["token_type"], told["expires_in"]), ("bearer", 600))
            same(set(told["scope"].split()), {"inspect:read", "enrich:read"})
            same(answer.text.startswith('{"access_token":"'), True)
        clouds = requests.get(self.recorder.url("visibility") + "/clouds.json", timeout=30).json()
        for region in clouds.values():
            same(region["iroh-services"].endswith("/iroh/"), True)
        self.expect_calls(f"{TOKEN} 200", f"{TOKEN} 200", "visibility: GET /clouds.json 200")

    def end_token(self, call):
        """Ends the token of a call to the token endpoint on the server: the client does not know."""
        token = json.loads(call.answer)["access_token"]
        form = urllib.parse.urlencode({"token": token}).encode()
        with urllib.request.urlopen(self.demo["oauth"]["revoke_url"], data=form, timeout=30) as answer:
            same(answer.status, 200)


def refused(status, call):
    """The answer with which a call of the client was refused."""
    try:
        call()
    except requests.HTTPError as error:
        same(error.response.status_code, status)
        return error.response
    raise Mismatch(f"it was not refused with {status}")


def same(got, expected):
    if got != expected:
        raise Mismatch(f"got {got!r}, expected {expected!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", type=Path, required=True, help="the JSON file that `latchkey demo --out` wrote")
    demo = json.loads(parser.parse_args().demo.read_text(encoding="utf-8"))
    runs = Runs(demo)
    scenarios = [
        runs.the_client_asks_every_api,
        runs.its_commands_read_verdicts_and_targets,
        runs.a_token_that_ended_is_renewed_once,
        runs.a_token_alone_is_enough_and_is_not_renewed,
        runs.a_wrong_password_is_told,
        runs.a_missing_scope_is_told_and_asked_for_once,
        runs.a_bad_body_is_told,
        runs.an_organization_reaches_its_limit,
        runs.the_documented_requests_are_answered,
    ]
    failed = 0
    for scenario in scenarios:
        try:
            scenario()
            print(f"holds: {scenario.__name__}")
        except (Mismatch, requests.RequestException, LookupError) as mismatch:
            failed += 1
            print(f"{scenario.__name__}: {mismatch}\ncalls: {[str(call) for call in runs.recorder.taken()]}", file=sys.stderr)
    runs.recorder.stop()
    print(f"{len(scenarios) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
