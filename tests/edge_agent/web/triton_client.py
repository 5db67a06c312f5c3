"""What NVIDIA's own client says of a server: run in `build/triton-venv`, as `triton_client.py HOST:PORT`.

Prints nothing where all is well.
"""

import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


def infer(client: triton.InferenceServerClient, tensor, binary_in: bool, outputs=None, **options):
    """One inference; the answer's only output."""
    given = triton.InferInput("image", tensor.shape, "FP32")
    given.set_data_from_numpy(tensor, binary_data=binary_in)
    return client.infer("tiny", [given], outputs=outputs, **options)


def main() -> None:
    """Everything that the protocol has."""
    with triton.InferenceServerClient(sys.argv[1]) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("tiny")
        assert client.is_model_ready("tiny", "1.0")
        assert not client.is_model_ready("other")
        assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
        about = client.get_model_metadata("tiny")
        assert about["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [1, 6, 6, 1]}], about
        assert client.get_model_repository_index()[0]["state"] == "READY"

        tensor = np.random.default_rng(1).random((1, 6, 6, 1), np.float32)
        answers = [
            infer(client, tensor, binary_in, [triton.InferRequestedOutput("classes", binary_data=binary_out)])
            for binary_in in (True, False)
            for binary_out in (True, False)
        ]
        answers.append(infer(client, tensor, True))
        answers.append(infer(client, tensor, True, request_id="7", model_version="1.0", parameters={"mine": "x"}))
        assert answers[-1].get_response()["id"] == "7"
        expected = answers[0].as_numpy("classes")
        assert expected.shape == (1, 3)
        for answer in answers:
            np.testing.assert_allclose(answer.as_numpy("classes"), expected, atol=1e-7)
        together = [client.async_infer("tiny", [_input(tensor)]) for _ in range(20)]
        for request in together:
            np.testing.assert_allclose(request.get_result().as_numpy("classes"), expected, atol=1e-7)
        told = ""
        try:
            infer(client, tensor[:, :3], True)
        except InferenceServerException as error:
            told = str(error)
        assert "shape" in told, told


def _input(tensor):
    given = triton.InferInput("image", tensor.shape, "FP32")
    given.set_data_from_numpy(tensor)
    return given


if __name__ == "__main__":
    main()
