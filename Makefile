# nibble's front door: every target does all of its own set-up on a fresh Debian 12 machine.
#
#   make demo    build, get a real model, quantize it three ways, chat, score, compare (a sample of ARC)
#   make table   the same with every question
#   make serve   the same model behind OpenAI's API and a web page, at http://127.0.0.1:8080
#   make test    build and pass all tests
#   make help    the other targets

BUILD   := build/release
NIBBLE  := $(BUILD)/nibble
VENV    := build/venv
MODELS  := build/models
DEMO    ?= nibble-demo
ARC     ?=
PRESET  ?= asan
FILTER  ?= .
PEERS   ?=
REVIEW  ?=
SERVE   ?=

.PHONY: demo table serve build test unit sanitize interop soak bench peers review lint format format-check clean help

demo: build
	tools/demo.sh --nibble $(NIBBLE) --models $(MODELS) --out $(DEMO) $(if $(ARC),--arc $(ARC)) --limit 300

table: build
	tools/demo.sh --nibble $(NIBBLE) --models $(MODELS) --out $(DEMO) $(if $(ARC),--arc $(ARC))

serve: build
	[ -x build/venv-download/bin/pip ] || python3 -m venv build/venv-download
	exec $(NIBBLE) serve "$$(build/venv-download/bin/python tools/get_smollm2.py $(MODELS))" --models $(MODELS) $(SERVE)

build:
	@mkdir -p build
	@tools/install_packages.sh build
	@cmake --preset release -DNIBBLE_BUILD_TESTS=OFF > build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
	@cmake --build --preset release --target nibble

test:
	@tools/install_packages.sh build test browser
	@mkdir -p build
	cmake --preset release -DNIBBLE_BUILD_TESTS=ON
	cmake --build --preset release
	tools/venv.sh $(VENV) tests/requirements.txt
	ctest --preset release -j 2 -LE slow
	$(VENV)/bin/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder tests --ignore tests/interop

unit:
	@tools/install_packages.sh build test
	cmake --preset release -DNIBBLE_BUILD_TESTS=ON
	cmake --build --preset release --target unit_tests
	ctest --preset release -j 2 -L unit

sanitize:
	@tools/install_packages.sh build test
	cmake --preset $(PRESET)
	cmake --build --preset $(PRESET)
	ctest --preset $(PRESET) -j 2

lint: format-check
	@tools/install_packages.sh build test lint
	cmake --preset debug
	tools/tidy.sh build/debug

format:
	git ls-files '*.cpp' '*.h' | xargs clang-format -i

format-check:
	git ls-files '*.cpp' '*.h' | xargs clang-format --dry-run -Werror
	python3 tools/check_includes.py

clean:
	rm -rf build

help:
	@sed -n 's/^#   //p' Makefile
	@echo 'make unit          the C++ tests alone'
	@echo 'make sanitize PRESET=asan|tsan   the C++ tests under sanitizers; tsan: those of what uses threads'
	@echo 'make serve SERVE="--port 9000"   with flags of nibble serve'
	@echo 'make interop       files written by nibble in llama.cpp (llama-cpp-python), and back; lm-eval, LangChain and JavaScript over the API'
	@echo 'make soak SECONDS=600   many clients for a while: no wrong answer, no leak'
	@echo 'make bench FILTER=q4_0   every kernel beside the roofs of this machine (all, without FILTER)'
	@echo 'make peers         measure llama.cpp and Neural Speed beside nibble, and write docs/performance.md'
	@echo 'make peers PEERS="--types q4_0 --rounds 3"   a part of it; see bench/peers/run.py --help'
	@echo 'make review        measure every quantization method, and write the table of docs/quantization.md'
	@echo 'make lint          clang-format, include rules, clang-tidy'
	@echo 'make format        rewrite the sources with clang-format'

interop: build
	@tools/install_packages.sh build test
	tools/venv.sh build/venv-interop tests/interop/requirements.txt
	[ -x build/venv-download/bin/pip ] || python3 -m venv build/venv-download
	NIBBLE_MODEL=$$(build/venv-download/bin/python tools/get_smollm2.py $(MODELS)) \
	  build/venv-interop/bin/python -m pytest -q -rP tests/interop/test_llama_cpp.py
	tools/venv.sh build/venv-lm-eval tests/interop/requirements-lm-eval.txt
	NIBBLE_MODEL=$$(build/venv-download/bin/python tools/get_smollm2.py $(MODELS)) \
	  build/venv-lm-eval/bin/python -m pytest -q -rP tests/interop/test_lm_eval.py
	tools/venv.sh build/venv-clients tests/interop/requirements-clients.txt
	build/venv-clients/bin/python -m pytest -q tests/interop/test_clients.py

soak: build
	tools/venv.sh $(VENV) tests/requirements.txt
	NIBBLE_SOAK_SECONDS=$(or $(SECONDS),600) $(VENV)/bin/python -m pytest -q -s tests/test_serve_soak.py

bench:
	@tools/install_packages.sh build bench
	cmake --preset release -DNIBBLE_BUILD_BENCHMARKS=ON
	cmake --build --preset release --target kernel_bench
	$(BUILD)/kernel_bench --benchmark_filter='$(FILTER)' --benchmark_counters_tabular=true

peers: build
	$(if $(PEERS),python3 bench/peers/run.py $(PEERS),bench/peers/everything.sh)
	tools/venv.sh build/peers/render bench/peers/requirements-render.txt
	build/peers/render/bin/python bench/peers/render.py

review: build
	python3 bench/review/run.py $(REVIEW)
