# make setup    everything that the other targets need, on a bare Debian or Ubuntu with Python 3.10 to 3.13
# make demo     a model becomes predictions over MQTT, on real input
# make check    style, types, generated documentation
# make test     every test that needs neither root nor emulation; the others: make test-system
# make soak     1,000 cycles of outages, kills, full and failing disks and clock jumps over one running agent
# make powercut  power is cut at every system call of an update that changes the disk: two hours; goes on where it was stopped
# make bench    the agent's cost and the converter's figures, beside their peers in the same run; writes bench/results.md
# make docs     the generated pages: docs/cli.md, wire.md, asyncapi.json, report.md, configuration.md, updates.md, serial.md
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := converter edge_agent firmware_profiles fleet godwit
SHIPPED := pyproject.toml $(wildcard deploy/systemd/*) $(shell find $(PACKAGES) -name '*.py' -o -name '*.toml' -o -path '*/web/page/*')

# Start-up time is measured, and without .pyc files it is another one.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo check test test-system soak powercut bench bench-train docs constraints clean

setup: .venv/.ready build/agent-venv/.ready build/tflite-venv/.ready
	@$(BIN)/python -m tools.unpacked mosquitto > /dev/null

.venv/.ready: pyproject.toml $(wildcard constraints/*.txt) tools/environment.py
	@$(PYTHON) -m tools.environment main
	@touch $@

build/%-venv/.ready: .venv/.ready $(SHIPPED)
	@$(BIN)/python -m tools.environment $*
	@mkdir -p $(@D) && touch $@

demo: .venv/.ready build/agent-venv/.ready
	@$(BIN)/python -m tools.demo

check: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict $(PACKAGES) tools bench
	$(BIN)/python -m tools.cli_reference --check
	$(BIN)/python -m tools.wire_reference --check
	$(BIN)/python -m tools.asyncapi_reference --check
	$(BIN)/python -m tools.report_reference --check
	$(BIN)/python -m tools.configuration_reference --check
	$(BIN)/python -m tools.states_reference --check
	$(BIN)/python -m tools.serial_reference --check
	$(BIN)/pytest -q tests/test_imports.py

test: setup
	@echo "Left out here, beside what pytest lists as skipped: the tests marked system (make test-system), of"
	@grep -rl --include='*.py' 'mark[.]system' tests | sort | xargs sed -sn '1{s/"""//g;s/^/  /;F;p}'
	$(BIN)/pytest -m "not system" -n 2 --dist worksteal

test-system: setup
	@$(BIN)/python -m tools.debian buildah crun curl debootstrap openssl qemu-aarch64-static=qemu-user-static \
	    qemu-system-x86_64=qemu-system-x86 ss=iproute2 ssh-keygen=openssh-client systemd-nspawn=systemd-container
	$(BIN)/pytest -m system

soak: setup
	$(BIN)/python -m tests.soak --cycles 1000

powercut: setup
	$(BIN)/python -m tests.powercut

bench: setup
	$(BIN)/python -m bench

# Hours on two cores, a training on each; goes on where it was. Results with their seeds are in bench/train.
bench-train: setup
	$(BIN)/python -m bench.train & $(BIN)/python -m bench.train && wait
	$(BIN)/python -m bench.train_report

docs: .venv/.ready
	$(BIN)/python -m tools.cli_reference
	$(BIN)/python -m tools.wire_reference
	$(BIN)/python -m tools.asyncapi_reference
	$(BIN)/python -m tools.report_reference
	$(BIN)/python -m tools.configuration_reference
	$(BIN)/python -m tools.states_reference
	$(BIN)/python -m tools.serial_reference

constraints: .venv/.ready
	@$(BIN)/python -m tools.constraints

# The environment .venv stays: it takes long to make, and make knows when it is out of date.
clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
