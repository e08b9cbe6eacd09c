# Verbs of Apus. "make" prints them; CI calls the same ones.
.DEFAULT_GOAL := help
.PHONY: help serve test build bench lint format golden fuzz tsan asan install clean \
	packages test-packages release unit-tests conformance end-to-end test-clients extremes

# A forced or mismeasured OpenBLAS core would change speed and, in the last bits, results.
unexport OPENBLAS_CORETYPE
unexport OPENBLAS_L2_SIZE

SWIFT ?= swift
PYTHON ?= python3
MODELS ?= models
PREFIX ?= /usr/local
DESTDIR ?=
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc

# Imports that Package.swift does not declare are errors.
CHECKED := --explicit-target-dependency-import-check error
# One release mode for all verbs: switching between static and dynamic recompiles everything.
# The compiler proves exclusive access or the debug build, which all tests run, checks it as it runs.
OPTIMIZED := -c release -Xswiftc -enforce-exclusivity=unchecked
RELEASE := $(OPTIMIZED) --static-swift-stdlib --disable-local-rpath --product apus $(CHECKED)
# Undefined behaviour of C and C++ is a trap.
UNDEFINED := $(foreach flag,-fsanitize=undefined -fsanitize-trap=undefined,\
	-Xcc $(flag) -Xcxx $(flag))
APUS := .build/release/apus
DEBUG_APUS := .build/debug/apus
TOOLS := .build/tools
VENV := .build/venv
MODEL_VENV := .build/venv-models
CASES := .build/onnx-cases

help: ## print the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: release ## build and serve the sample models on port 8000
	@.ci/first-request
	@exec $(APUS) serve --model-repository $(MODELS) $(SERVE_FLAGS)

test: test-packages unit-tests conformance end-to-end ## run every test: unit, official ONNX cases, the daemon from outside

test-clients: test-packages ## run client programs from PyPI against the daemon
	$(SWIFT) build $(CHECKED) --product apus
	@.ci/logged .build/logs/test-clients.log \
		$(PYTHON) Tests/Tools/clients/run.py --apus $(DEBUG_APUS) --environments .build/clients

build: release ## build the release binary: .build/release/apus

bench: release ## start-up, load against a bare NIO server, engine against onnxruntime
	@.ci/system-packages bench
	$(SWIFT) build $(OPTIMIZED) --package-path Benchmarks --scratch-path .build/benchmarks
	$(PYTHON) Benchmarks/startup.py --apus $(APUS) --models $(MODELS)
	$(PYTHON) Benchmarks/http_load.py --apus $(APUS) --bare .build/benchmarks/release/bare-nio
	$(PYTHON) Benchmarks/grpc_load.py --apus $(APUS) --benchmarks .build/benchmarks/release
	@if [ -d .build/comparison-models ]; then \
		$(MODEL_VENV)/bin/python Benchmarks/compare_engines.py --apus $(APUS) --threads 1 2; \
	else \
		echo "For the comparison with onnxruntime make the models first; see the head of"; \
		echo "Tests/Tools/requirements-models.txt and Tests/Tools/make_comparison_models.py."; \
	fi

lint: ## check the format of all sources
	$(SWIFT) format lint --strict -r Sources Tests Benchmarks/Sources Package.swift

format: ## format all sources in place
	$(SWIFT) format -i -r Sources Tests Benchmarks/Sources Package.swift

golden: test-packages ## rewrite expected outputs; review the difference
	APUS_WRITE_GOLDEN=1 $(SWIFT) test $(CHECKED)

fuzz: packages ## mutate models, JSON bodies and config texts under AddressSanitizer: 200,000 each
	APUS_FUZZ_COUNT=$(or $(FUZZ_COUNT),200000) SWIFT_BACKTRACE=enable=no \
		ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1 \
		$(SWIFT) test $(CHECKED) --scratch-path .build/fuzz -c release -Xswiftc -enable-testing \
		--sanitize address $(UNDEFINED) --filter Fuzz

tsan: test-packages ## run the unit tests under ThreadSanitizer
	SWIFT_BACKTRACE=enable=no $(SWIFT) test $(CHECKED) --scratch-path .build/tsan \
		--sanitize thread -Xswiftc -DTSAN

asan: test-packages ## run the unit tests under AddressSanitizer
	ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test $(CHECKED) --scratch-path .build/asan \
		--sanitize address

install: release ## install binary, unit and configuration (PREFIX, DESTDIR)
	install -D -m 755 $(APUS) $(DESTDIR)$(PREFIX)/bin/apus
	strip $(DESTDIR)$(PREFIX)/bin/apus
	.ci/hardened $(DESTDIR)$(PREFIX)/bin/apus
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|/usr/local/bin/apus|$(PREFIX)/bin/apus|' systemd/apus.service \
		> $(DESTDIR)$(UNITDIR)/apus.service
	install -m 644 systemd/apus.socket $(DESTDIR)$(UNITDIR)/apus.socket
	chmod 644 $(DESTDIR)$(UNITDIR)/apus.service
	install -d $(DESTDIR)$(SYSCONFDIR)/apus
	test -e $(DESTDIR)$(SYSCONFDIR)/apus/apus.yaml || \
		install -m 644 config/apus.yaml $(DESTDIR)$(SYSCONFDIR)/apus/apus.yaml

clean: ## remove everything that was built
	rm -rf .build

# ---- Parts of the verbs ---------------------------------------------------------------------

packages:
	@.ci/system-packages build

test-packages:
	@.ci/system-packages build test
	@.ci/test-tools $(TOOLS)

release: packages
	$(SWIFT) build $(RELEASE)

unit-tests: test-packages
	$(SWIFT) build --build-tests $(CHECKED)
	@.ci/logged .build/logs/unit-tests.log $(SWIFT) test --skip-build $(CHECKED)

# The official ONNX backend cases: all but the listed expected failures must pass.
conformance: test-packages
	@.ci/python-environment $(PYTHON) $(VENV) Tests/Tools/requirements-test.txt
	$(SWIFT) build $(CHECKED) --product apus
	@.ci/logged .build/logs/onnx-cases.log \
		$(VENV)/bin/python Tests/EndToEnd/onnx_cases.py --apus $(DEBUG_APUS) --cases $(CASES)

# The official cases with the smallest and largest integers: results or errors, never the end.
extremes: test-packages
	@.ci/python-environment $(PYTHON) $(VENV) Tests/Tools/requirements-test.txt
	$(SWIFT) build $(CHECKED) --product apus
	@.ci/logged .build/logs/extremes.log \
		$(VENV)/bin/python Tests/EndToEnd/extreme_values.py --apus $(DEBUG_APUS) --cases $(CASES)

# The daemon itself, driven from outside.
end-to-end: test-packages
	@.ci/python-environment $(PYTHON) $(VENV) Tests/Tools/requirements-test.txt
	$(SWIFT) build $(CHECKED) --product apus
	@.ci/logged .build/logs/end-to-end.log \
		$(VENV)/bin/python Tests/EndToEnd/run.py --apus $(DEBUG_APUS) --tools $(TOOLS)
	@.ci/logged .build/logs/quick-clients.log \
		$(PYTHON) Tests/Tools/clients/run.py --apus $(DEBUG_APUS) --quick --python $(VENV)/bin/python
