"""The peer: what people glue together. Interpreter and paho, QoS 1, JSON; nothing is kept if it dies.

`glue.py MODEL TENSORS.npz PORT` prints JSON: `cpu_s`, what it used in all.
"""

import json
import sys
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion


def main() -> None:
    """Answer every input over MQTT."""
    inputs = np.load(sys.argv[2])["t0"]
    interpreter = Interpreter(sys.argv[1], num_threads=1)
    interpreter.allocate_tensors()
    into = interpreter.get_input_details()[0]["index"]
    out = interpreter.get_output_details()[0]["index"]
    client = Client(CallbackAPIVersion.VERSION2, "glue", protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", int(sys.argv[3]))
    client.loop_start()
    while not client.is_connected():
        time.sleep(0.01)
    for index, tensor in enumerate(inputs):
        interpreter.set_tensor(into, tensor[np.newaxis])
        interpreter.invoke()
        scores = interpreter.get_tensor(out)[0]
        best = np.argsort(-scores)[:3]
        answer = {"index": index, "time": time.time(), "top": [[int(i), float(scores[i])] for i in best]}
        last = client.publish("glue/prediction", json.dumps(answer), qos=1)
    last.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()
    print(json.dumps({"cpu_s": time.process_time()}))


if __name__ == "__main__":
    main()
