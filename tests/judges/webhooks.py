"""Judges the signatures of recorded requests with the vendor's own validator: stdin as webhooks.mjs has it."""
import json
import sys

sys.path.insert(0, "target/python")
from twilio.request_validator import RequestValidator  # noqa: E402

record = json.load(sys.stdin)
validator = RequestValidator(record["token"])
faults = [
    asked["url"]
    for asked in record["twilio"]
    if validator.compute_signature(asked["url"], dict(asked["fields"])) != asked["signature"]
    or not validator.validate(asked["url"], dict(asked["fields"]), asked["signature"])
]
for fault in faults:
    print(fault, file=sys.stderr)
print(json.dumps({"requests": len(record["twilio"])}))
sys.exit(1 if faults else 0)
