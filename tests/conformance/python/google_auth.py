"""Google's Python library as the other side of the differential tests.

Reads one JSON object a line from standard input, does what its "do" says and
writes one JSON object a line: {"answer": …}, or {"error": …} if the library
refused. Network, environment and clock are what the object says:

  env   all environment variables there are
  at    the clock, in seconds since 1970
  net   what URLs answer: {"METHOD URL": {"status": 200, "body": "…"}}
"""

import datetime
import json
import os
import sys
import time
import urllib.parse
import warnings

warnings.simplefilter("ignore")

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import google.auth
import google.auth._helpers
import google.auth.aws
import google.auth.transport


class Network(google.auth.transport.Request):
    """A transport that records what is asked and answers what it was told."""

    def __init__(self, answers):
        self.answers, self.asked = answers or {}, []

    def __call__(self, url, method="GET", body=None, headers=None, timeout=None, cert=None, **kwargs):
        body = body.decode() if isinstance(body, bytes) else body or ""
        self.asked.append({"method": method, "url": url, "headers": dict(headers or {}), "body": body, "cert": bool(cert)})
        answer = self.answers.get(f"{method} {url}")
        if answer is None:
            raise google.auth.exceptions.TransportError(f"nobody answers {method} {url}")
        return Response(answer)


class Response(google.auth.transport.Response):
    def __init__(self, answer):
        self._answer = answer

    @property
    def status(self):
        return self._answer.get("status", 200)

    @property
    def headers(self):
        return {}

    @property
    def data(self):
        return self._answer["body"].encode()


def keys(case):
    return google.auth.aws.AwsSecurityCredentials(case["id"], case["secret"], case.get("token") or None)


def sign(case, network):
    """What RequestSigner makes of a request, and what botocore would sign."""
    headers = case.get("headers") or {}
    signer = google.auth.aws.RequestSigner(case["region"])
    signed = signer.get_request_options(keys(case), case["url"], case["method"], case.get("payload", ""), headers)
    return {"signed": signed, "token": serialized(signed), "botocore": botocore_authorization(case, signed)}


def botocore_authorization(case, signed):
    service = urllib.parse.urlparse(case["url"]).hostname.split(".")[0].removesuffix("-fips")
    auth = botocore.auth.SigV4Auth(
        botocore.credentials.Credentials(case["id"], case["secret"], case.get("token") or None), service, case["region"])
    request = botocore.awsrequest.AWSRequest(
        method=case["method"], url=case["url"], data=case.get("payload", ""), headers=dict(case.get("headers") or {}))
    request.context["timestamp"] = signed["headers"]["x-amz-date"]
    request.headers["X-Amz-Date"] = signed["headers"]["x-amz-date"]
    if case.get("token"):
        request.headers["X-Amz-Security-Token"] = case["token"]
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return auth._inject_signature_to_request(request, auth.signature(text, request)).headers["Authorization"]


def serialized(signed):
    """A signed request as a subject token, in the way of aws.Credentials."""
    headers = [{"key": k, "value": v} for k, v in signed["headers"].items()]
    token = {"url": signed["url"], "method": signed["method"], "headers": headers}
    return urllib.parse.quote(json.dumps(token, separators=(",", ":"), sort_keys=True))


def load(case, network):
    """The credentials of a file, or an error."""
    credentials, _ = google.auth.load_credentials_from_dict(
        json.loads(case["file"]), scopes=case.get("scopes"), request=network)
    return credentials


def accept(case, network):
    load(case, network)
    return True


def subject_token(case, network):
    return load(case, network).retrieve_subject_token(network)


def refresh(case, network):
    credentials = google.auth.load_credentials_from_dict(json.loads(case["file"]), request=network)[0]
    if hasattr(credentials, "with_scopes"):
        credentials = credentials.with_scopes(case["scopes"])
    headers = {}
    credentials.refresh(network)
    credentials.apply(headers)
    expiry = credentials.expiry.replace(tzinfo=datetime.timezone.utc).timestamp()
    return {"asked": network.asked, "applied": headers, "expiry": int(expiry)}


COMMANDS = {"sign": sign, "accept": accept, "subject_token": subject_token, "refresh": refresh}


def main():
    real = time.time
    for line in sys.stdin:
        case = json.loads(line)
        os.environ.clear()
        os.environ.update(case.get("env") or {})
        at = case.get("at") or real()
        time.time = lambda: at
        google.auth._helpers.utcnow = lambda: datetime.datetime.fromtimestamp(at, datetime.timezone.utc).replace(tzinfo=None)
        try:
            answer = {"answer": COMMANDS[case["do"]](case, Network(case.get("net")))}
        except Exception as e:  # whatever the library raises is its refusal
            answer = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer, default=bytes.decode), flush=True)  # a header may be bytes


main()
