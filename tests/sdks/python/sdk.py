"""Does with google-auth what the test writes on standard input."""

import json
import sys

import google.auth
import google.oauth2.id_token
from google.auth.transport.requests import AuthorizedSession, Request

SCOPES = ["https://www.googleapis.com/auth/devstorage.read_only"]

credentials, project = google.auth.default(scopes=SCOPES)
session = AuthorizedSession(credentials)


def get(url):
    response = session.get(url)
    response.raise_for_status()
    return response.json()["items"][0]["name"]


def call(url, audience):
    token = google.oauth2.id_token.fetch_id_token(Request(), audience)
    response = Request()(url, headers={"Authorization": "Bearer " + token})
    return json.loads(response.data)["caller"]


does = {"project": lambda: project, "get": get, "call": call}

for line in sys.stdin:
    verb, *arguments = line.split()
    try:
        answer = {"value": does[verb](*arguments)}
    except Exception as e:
        answer = {"error": f"{type(e).__name__}: {e}"}
    print(json.dumps(answer), flush=True)
