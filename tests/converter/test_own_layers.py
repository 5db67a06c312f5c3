"""A Keras model with layers of the user's own: what to register is told, and once it is, the model loads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from converter.exporting import Session
from converter.processes import Processes
from converter.protocol import Description
from firmware_profiles.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("own")
    maker = Path(__file__).with_name("make_own_layer.py")
    subprocess.run([sys.executable, str(maker), str(made)], check=True, capture_output=True)
    return made


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path) as started:
        yield started


def told(processes: Processes, folder: Path, name: str, layers: str) -> str:
    with pytest.raises(InputError) as caught:
        Session(processes, folder / name, "h5" if name.endswith("h5") else "keras", layers).describe()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_the_class_and_what_to_register_are_named(processes: Processes, folder: Path, name: str) -> None:
    text = told(processes, folder, name, "")
    assert f"{name}: twice: expected a layer that Keras knows, found Doubled, of your own" in text
    assert '@keras.saving.register_keras_serializable("demo", "Doubled")' in text


def test_a_registered_layer_loads(processes: Processes, folder: Path) -> None:
    found = Session(processes, folder / "model.keras", "keras", str(folder / "my_layers.py")).describe()
    assert isinstance(found, Description)
    assert found.inputs[0].name == "row"


def test_a_file_that_fails_is_the_users_to_mend(processes: Processes, folder: Path) -> None:
    (folder / "broken.py").write_text("import nothing_of_that_name\n", encoding="utf-8")
    text = told(processes, folder, "model.keras", str(folder / "broken.py"))
    assert "broken.py: expected Python that registers layers" in text
