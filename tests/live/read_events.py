"""Reads kcat's JSON lines and hands each message to the CloudEvents project's own library (PyPI: cloudevents).

Prints one JSON line an event. A message that is no CloudEvent in Kafka's binary mode ends it with an error.
"""

import json
import sys

from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event

for line in sys.stdin:
    stored = json.loads(line)
    names, values = stored["headers"][::2], stored["headers"][1::2]
    headers = {name: value.encode() for name, value in zip(names, values, strict=True)}
    event = from_kafka_event(KafkaMessage(headers, stored["key"].encode(), stored["payload"].encode()))
    attributes = event.get_attributes()
    known = {name: str(attributes[name]) for name in ("id", "source", "type", "subject", "datacontenttype", "partitionkey")}
    print(json.dumps({**known, "time": attributes["time"].isoformat(), "data": event.get_data()}))
