"""Makes one call to AWS: boto3's SERVICE and METHOD are the arguments, what the
method takes is JSON on standard input, what it answers JSON on standard output."""

import json
import sys

import boto3
from botocore.config import Config

service, method = sys.argv[1:]
client = boto3.client(service, config=Config(retries={"total_max_attempts": 1}, read_timeout=120))
answer = getattr(client, method)(**json.load(sys.stdin))
json.dump(answer, sys.stdout, default=lambda v: v.read().decode() if hasattr(v, "read") else str(v))
