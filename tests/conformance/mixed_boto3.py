"""Uses tokens as a program without wifmint's libraries does. Standard input: one
{"read": SECRET} or {"write": SECRET, "token": {...}} a line, AWS's own variables say
where. Each read is checked against the JSON Schema that is the argument, and
answered with what a program does with it."""

import datetime
import json
import sys

import boto3
import jsonschema

schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
secrets = boto3.client("secretsmanager")

for order in map(json.loads, sys.stdin):
    if "write" in order:
        secrets.create_secret(Name=order["write"], SecretString=json.dumps(order["token"], indent=1))
        continue
    token = json.loads(secrets.get_secret_value(SecretId=order["read"])["SecretString"])
    validator.validate(token)
    expiry = datetime.datetime.strptime(token["expiry"], "%Y-%m-%dT%H:%M:%S%z")
    left = expiry - datetime.datetime.now(datetime.timezone.utc)
    kind = "id_token" if token["kind"] == "id_token" else "access_token"
    header = f'{token["token_type"]} {token[kind]}'
    print(json.dumps({"kind": token["kind"], "header": header, "seconds": left.total_seconds()}))
