"""The peer: paho alone, publishing at a rate. `publisher.py PORT RATE SECONDS` prints JSON: its share of a core."""

import json
import sys
import time

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

PAYLOAD = b"x" * 450
"""As long as a prediction of ten classes' best three."""


def main() -> None:
    """Publish with QoS 1, one message a period."""
    port, rate, seconds = (int(word) for word in sys.argv[1:])
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    while not client.is_connected():
        time.sleep(0.01)
    began_s, before_s = time.monotonic(), time.process_time()
    for number in range(rate * seconds):
        time.sleep(max(0.0, began_s + number / rate - time.monotonic()))
        client.publish("bench/prediction", PAYLOAD, 1)
    used_s, took_s = time.process_time() - before_s, time.monotonic() - began_s
    client.disconnect()
    client.loop_stop()
    print(json.dumps({"share": used_s / took_s}))


if __name__ == "__main__":
    main()
