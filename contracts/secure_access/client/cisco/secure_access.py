"""The client module that the vendor's sample programs import, written anew after its description.

An API object fetches a token with the client credentials of a key and sends requests with it. Every request goes to
https://api.sse.cisco.com/<area>/v2/<endpoint>: a test redirects it with HTTPS_PROXY and REQUESTS_CA_BUNDLE.
"""

import os

import requests
from oauthlib.oauth2 import BackendApplicationClient, TokenExpiredError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

# Methods, as the sample programs name them.
GET = "GET"
POST = "POST"
PATCH = "PATCH"
PUT = "PUT"
DELETE = "DELETE"

# Areas of the API, each a path prefix.
admin = "admin"
auth = "auth"
deployments = "deployments"
investigate = "investigate"
policies = "policies"
reports = "reports"

base_uri = "https://api.sse.cisco.com"
token_url = os.environ.get("TOKEN_URL") or base_uri + "/auth/v2/token"
client_id = os.environ.get("API_KEY")
client_secret = os.environ.get("API_SECRET")
output_dir = os.environ.get("OUTPUT_DIR")


class API:
    """A session of one key."""

    def __init__(self, url, ident, secret):
        self.url = url
        self.ident = ident
        self.secret = secret
        self.token = None

    def GetToken(self):
        """Fetches and keeps an access token."""
        session = OAuth2Session(client=BackendApplicationClient(client_id=self.ident))
        self.token = session.fetch_token(token_url=self.url, auth=HTTPBasicAuth(self.ident, self.secret))
        return self.token

    def Query(self, scope, end_point, operation, request_data=None):
        """Sends one request and returns its response; an answer of 400 or more raises requests' HTTPError."""
        while True:
            if self.token is None:
                self.GetToken()
            headers = {
                "Authorization": "Bearer " + self.token["access_token"],
                "Content-Type": "application/json",
            }
            try:
                return self._send(f"{base_uri}/{scope}/v2/{end_point}", operation, headers, request_data)
            except TokenExpiredError:
                self.token = None

    def _send(self, url, operation, headers, request_data):
        json = request_data if operation in (POST, PATCH, PUT) else None
        response = requests.request(operation, url, headers=headers, json=json, timeout=30)
        response.raise_for_status()
        return response
