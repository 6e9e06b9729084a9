#!/usr/bin/env python3
"""Runs the vendor's published client, cisco-scc-sdk from PyPI, unmodified against a running demo.

    run.py --demo demo.json

Only base_url is changed. Every call that it makes is written down on its way, and the list is compared: a client that
gives up quietly, or asks twice where once is enough, is found.
"""

import argparse
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

from scc_sdk import Client
from scc_sdk.exceptions import AuthenticationError, SCCError

# The recorder is no system's own: it stands where it was needed first.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "threat_response/client"))

from recorder import Recorder  # noqa: E402

HOST = "api.security.cisco.com"
ADMINISTRATOR = "Organization Administrator"
FORM = "application/x-www-form-urlencoded"


class Mismatch(Exception):
    """Something else happened than what is promised."""


class Runs:
    """The scenarios, in their order: each goes on with the tokens that the one before left."""

    def __init__(self, demo):
        self.facts = demo["security_cloud_control"]
        self.org = self.facts["organization_id"]
        self.branch = self.facts["managed_organization_id"]
        self.key = self.facts["api_key_id"]
        self.access, self.refresh_token = self.facts["access_token"], self.facts["refresh_token"]
        target = urlsplit(demo["base_url"])
        self.recorder = Recorder(target.hostname, target.port, {"scc": HOST})

    def client(self, access=None):
        return Client(access_token=access or self.access, base_url=self.recorder.url("scc"))

    def expect_calls(self, *expected):
        """Compares the calls since the last time; `ORG`, `BRANCH` and `KEY` stand for the ids."""
        calls = self.recorder.taken()
        got = [str(call).removeprefix("scc: ").replace(self.org, "ORG").replace(self.branch, "BRANCH")
               .replace(self.key, "KEY") for call in calls]
        if got != list(expected):
            raise Mismatch("it called\n  %s\nand not\n  %s" % ("\n  ".join(got), "\n  ".join(expected)))
        return calls

    def refresh(self):
        """What a customer does: the newest refresh token, and from then on the new pair."""
        told = self.client().tokens.refresh(self.org, self.key, self.refresh_token)
        self.access, self.refresh_token = told["access_token"], told["refresh_token"]
        return told

    def it_refreshes_twice_with_the_newest_token_each_time(self):
        first = self.refresh()
        second = self.refresh()
        for told in (first, second):
            same((told["token_type"], told["expires_in"], told["refresh_token_expires_in"]), ("Bearer", 64799, 5183999))
            same(list(told), ["permissions", "access_token", "expires_in", "refresh_token", "refresh_token_expires_in",
                              "token_type"])
            [permission] = told["permissions"]
            same({**permission, "roleId": ""}, {
                "roleId": "", "roleName": "Security Cloud Control - Administrator", "product": "Security Cloud Control",
                "productKey": "enterprise", "roleDisplayName": ADMINISTRATOR,
                "productInstanceId": "enterprise-default-instance", "roleType": "static", "applicationScopeIds": [],
            })
        same(len({self.facts["refresh_token"], first["refresh_token"], second["refresh_token"]}), 3)
        calls = self.expect_calls(*["POST /v1/organizations/ORG/apiKeys/KEY/token 200"] * 2)
        for call in calls:
            same((call.body, call.headers["Content-Type"]), (b"grant_type=refresh_token", FORM))

    def it_lists_organizations(self):
        client = self.client()
        listed = client.organizations.list()["organizations"]
        same({one["id"]: one["type"] for one in listed}, {self.org: "MANAGER", self.branch: "MANAGED"})
        same([one["id"] for one in client.organizations.list(type="MANAGED", name="branch")["organizations"]], [self.branch])
        same(client.organizations.get(self.org)["managedOrgIds"], [self.branch])
        made = client.organizations.create(name="Security cloud office", region_code="EMEA", type="MANAGED")
        same((made["regionCode"], made["managerOrgIds"]), ("EMEA", [self.org]))
        renamed = client.organizations.update(self.branch, name="Security cloud quay")
        same(renamed["name"], "Security cloud quay")
        self.expect_calls(
            "GET /v1/organizations?max=100 200",
            "GET /v1/organizations?name=branch&type=MANAGED&max=100 200",
            "GET /v1/organizations/ORG 200", "POST /v1/organizations 201", "PUT /v1/organizations/BRANCH 200",
        )

    def it_lists_roles(self):
        client = self.client()
        roles = client.roles.list(self.org)["roles"]
        same([role["displayName"] for role in roles], ["Organization Member", ADMINISTRATOR])
        same(client.roles.list(self.org, type="CUSTOM")["roles"], [])
        same(client.roles.get(self.org, roles[1]["id"]), roles[1])
        self.expect_calls(
            "GET /v1/organizations/ORG/roles 200", "GET /v1/organizations/ORG/roles?type=CUSTOM 200",
            f"GET /v1/organizations/ORG/roles/{roles[1]['id']} 200",
        )

    def it_lists_what_was_claimed_and_claims_more(self):
        client, id, code = self.client(), self.facts["subscription_id"], self.facts["claim_code"]
        [claimed] = client.subscriptions.list(self.org)["subscriptions"]
        same(claimed["id"], id)
        same(client.subscriptions.get(self.org, id), claimed)
        product = claimed["products"][0]
        used = client.subscriptions.update(self.org, id, product_id=product["id"], status=True, region_code="EMEA")
        same((used["products"][0]["status"], used["products"][0]["regionCode"]), ("ACTIVE", "EMEA"))
        entitlement = product["entitlements"][0]
        shared = client.subscriptions.patch(self.branch, id, entitlements=[{"id": entitlement["id"], "quantity": 10}])
        same(shared["products"][0]["entitlements"], [{**entitlement, "quantity": 10}])

        offered = client.subscriptions.read_claim_code(self.org, code)
        placed = [{"id": one["id"], "useExistingTenant": False, **one["allowedRegions"][0]} for one in offered["products"]]
        made = client.subscriptions.create(self.org, code, type="paid", products=placed)
        same((list(made), made["isTrial"]), (["id", "name", "created", "isTrial"], False))
        same([one["id"] for one in client.subscriptions.list(self.org, name=made["name"])["subscriptions"]], [made["id"]])
        fails("API request failed (400): invalid claim code provided",
              lambda: client.subscriptions.read_claim_code(self.org, "XXXX-XXXX"))
        self.expect_calls(
            "GET /v1/organizations/ORG/subscriptions 200", f"GET /v1/organizations/ORG/subscriptions/{id} 200",
            f"PUT /v1/organizations/ORG/subscriptions/{id} 200", f"PATCH /v1/organizations/BRANCH/subscriptions/{id} 200",
            "POST /v1/organizations/ORG/subscriptions/claimInfo 200", "POST /v1/organizations/ORG/subscriptions 201",
            f"GET /v1/organizations/ORG/subscriptions?name={made['name']} 200",
            "POST /v1/organizations/ORG/subscriptions/claimInfo 400",
        )

    def it_invites_people_and_gives_them_roles(self):
        client, email = self.client(), "mia@security-cloud.example"
        invited = client.users.invite(self.org, email, first_name="Mia", last_name="Quay", is_admin=False)
        same(invited["results"], [{"id": email, "type": "user", "operation": "invite", "status": "success"}])
        [person] = client.users.list(self.org, status="PENDING")["users"]
        id = self.person = person["id"]
        same(client.users.update(self.org, id, last_name="Harbour")["lastName"], "Harbour")
        same(client.users.get(self.org, id)["firstName"], "Mia")
        for change in (client.users.disable, client.users.enable):
            same(change(self.org, email)["results"][0]["status"], "success")
        member = client.roles.list(self.org, user=email)["roles"][0]
        administrator = client.roles.list(self.org, type="STATIC")["roles"][1]
        given = client.roles.patch(self.org, administrator["id"], users=[{"operation": "add", "id": id}])
        same(given["results"][0]["status"], "success")
        same(client.roles.list(self.org, user=id)["roles"], [member, administrator])
        self.expect_calls(
            "PATCH /v1/organizations/ORG/users 200", "GET /v1/organizations/ORG/users?status=PENDING 200",
            f"PUT /v1/organizations/ORG/users/{id} 200", f"GET /v1/organizations/ORG/users/{id} 200",
            "PATCH /v1/organizations/ORG/users 200", "PATCH /v1/organizations/ORG/users 200",
            "GET /v1/organizations/ORG/roles?user=mia%40security-cloud.example 200",
            "GET /v1/organizations/ORG/roles?type=STATIC 200",
            f"PATCH /v1/organizations/ORG/roles/{administrator['id']} 200",
            f"GET /v1/organizations/ORG/roles?user={id} 200",
        )

    def it_makes_a_group_and_shares_it(self):
        client, email = self.client(), "mia@security-cloud.example"
        made = client.groups.create(self.org, "Watch", description="Who watches", applies_to="selected_managed")
        same({**made, "id": "", "created": ""}, {
            "id": "", "name": "Watch", "description": "Who watches", "orgId": self.org, "created": "", "type": "Local",
            "appliesTo": "selected_managed",
        })
        id = made["id"]
        same(client.groups.list(self.org, max=10)["groups"], [made])
        same(client.groups.get(self.org, id), made)
        changed = client.groups.patch(
            self.org, id, users=[{"operation": "add", "id": email}],
            managed_orgs=[{"operation": "add", "id": self.branch}],
        )
        same([(one["type"], one["status"]) for one in changed["results"]], [("user", "success"), ("managedOrg", "success")])
        same([one["email"] for one in client.groups.get_users(self.org, id)["users"]], [email])
        same([one["id"] for one in client.groups.get_managed_organizations(self.org, id)["organizations"]], [self.branch])
        member = client.roles.list(self.org)["roles"][0]
        given = client.roles.patch(self.org, member["id"], groups=[{"operation": "add", "id": id}])
        same(given["results"], [{"id": id, "type": "group", "operation": "add", "status": "success"}])
        same(client.groups.get_assigned_roles(self.org, id)["roles"], [member])
        same([one["id"] for one in client.users.get_groups(self.org, self.person)["groups"]], [id])
        same([one["email"] for one in client.users.list(self.branch, status="SHARED")["users"]], [email])
        same(client.groups.update(self.org, id, name="Night watch")["name"], "Night watch")
        same(client.groups.delete(self.org, id), True)
        fails("API request failed (404): Not Found", lambda: client.groups.get(self.org, id))
        groups = "/v1/organizations/ORG/adminGroups"
        self.expect_calls(
            f"POST {groups} 201", f"GET {groups}?max=10 200", f"GET {groups}/{id} 200", f"PATCH {groups}/{id} 200",
            f"GET {groups}/{id}/users 200", f"GET {groups}/{id}/managedOrgs 200", "GET /v1/organizations/ORG/roles 200",
            f"PATCH /v1/organizations/ORG/roles/{member['id']} 200", f"GET {groups}/{id}/roles 200",
            f"GET /v1/organizations/ORG/users/{self.person}/groups 200",
            "GET /v1/organizations/BRANCH/users?status=SHARED 200", f"PUT {groups}/{id} 200",
            f"DELETE {groups}/{id} 204", f"GET {groups}/{id} 404",
        )

    def an_old_refresh_token_ends_the_whole_chain(self):
        """One that is two refreshes old is reuse at once; the one before would be answered again within its grace."""
        oldest = self.facts["refresh_token"]
        self.refresh()
        same(len(self.client().organizations.list()["organizations"]), 3)
        unauthenticated(lambda: self.client().tokens.refresh(self.org, self.key, oldest))
        # Neither the newest refresh token nor any access token is good from then on.
        unauthenticated(self.refresh)
        unauthenticated(lambda: self.client().organizations.list())
        unauthenticated(lambda: self.client(self.facts["access_token"]).subscriptions.list(self.org))
        token = "POST /v1/organizations/ORG/apiKeys/KEY/token"
        calls = self.expect_calls(
            f"{token} 200", "GET /v1/organizations?max=100 200", f"{token} 401", f"{token} 401",
            "GET /v1/organizations?max=100 401", "GET /v1/organizations/ORG/subscriptions 401",
        )
        same(json.loads(calls[2].answer)["error"], "refresh token is not valid")


def fails(message, call):
    try:
        call()
    except SCCError as error:
        same((type(error), str(error)), (SCCError, message))
        return
    raise Mismatch(f"it did not fail with {message!r}")


def unauthenticated(call):
    try:
        call()
    except AuthenticationError:
        return
    raise Mismatch("it was not refused as unauthenticated")


def same(got, expected):
    if got != expected:
        raise Mismatch(f"got {got!r}, expected {expected!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", type=Path, required=True, help="the JSON file that `latchkey demo --out` wrote")
    runs = Runs(json.loads(parser.parse_args().demo.read_text(encoding="utf-8")))
    scenarios = [
        runs.it_refreshes_twice_with_the_newest_token_each_time,
        runs.it_lists_organizations,
        runs.it_lists_roles,
        runs.it_lists_what_was_claimed_and_claims_more,
        runs.it_invites_people_and_gives_them_roles,
        runs.it_makes_a_group_and_shares_it,
        runs.an_old_refresh_token_ends_the_whole_chain,
    ]
    failed = 0
    for scenario in scenarios:
        try:
            scenario()
            print(f"holds: {scenario.__name__}")
        except (Mismatch, SCCError, LookupError, ValueError) as mismatch:
            failed += 1
            calls = [str(call) for call in runs.recorder.taken()]
            print(f"{scenario.__name__}: {mismatch!r}\ncalls: {calls}", file=sys.stderr)
    runs.recorder.stop()
    print(f"{len(scenarios) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
