# SPDX-License-Identifier: Apache-2.0
#
# The front door. Everything built lies in build/, all paths are relative, so the checkout may lie anywhere.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
CTEST = ctest --output-on-failure --parallel $(JOBS) --test-dir
# ThreadSanitizer needs the classic memory layout; where that cannot be asked for, it is tried without.
NO_ASLR = $(shell setarch "$$(uname -m)" -R true 2>/dev/null && echo setarch "$$(uname -m)" -R)
export ASAN_OPTIONS ?= detect_leaks=1:strict_string_checks=1
export UBSAN_OPTIONS ?= print_stacktrace=1
export TSAN_OPTIONS ?= halt_on_error=1

.PHONY: help build run cluster test check lint fmt tidy asan asan-unit tsan tsan-unit fuzz compat compat-fast chaos demo \
    bench guard clean

help:
	@echo 'make run      build and start a broker on 127.0.0.1:9092, data in ./ottla-data'
	@echo 'make cluster  a ZooKeeper and three brokers on free ports, data in ./ottla-cluster'
	@echo 'make test     every test: lint, unit tests (plain and with sanitizers), real clients'
	@echo 'make build    the optimised broker: build/ottla'
	@echo 'make demo     a large text through a broker with every codec, compared and timed'
	@echo 'make check    the unit tests'
	@echo 'make lint     dependency rule, naming, formatting, warnings of gcc and clang'
	@echo 'make asan     unit tests and a client run under the address and undefined-behaviour sanitizers'
	@echo 'make tsan     the same under the thread sanitizer'
	@echo 'make fuzz     each fuzz target under libFuzzer for FUZZ_SECONDS (60)'
	@echo 'make compat   every suite of compatibility tests, or SUITE=clients alone; an hour'
	@echo 'make compat-fast   the real clients of make test against a running broker'
	@echo 'make chaos    CHAOS_FAULTS (200) random faults on three brokers, by CHAOS_SEED; nothing may be lost'
	@echo 'make bench    beside Apache Kafka: CPU, latency, memory, start; 15 minutes, QUICK=1 3 minutes, CASE=name one'
	@echo 'make guard    instructions per request, beside those that were recorded'
	@echo 'make tidy     the advice of clang-tidy'
	@echo 'make fmt      format all sources'
	@echo 'make clean    remove what was built'

# Warnings of a compiler nobody has tried yet must not stop a user: here they are not errors.
build:
	@tools/install-deps run
	@tools/configure build -DOTTLA_TESTS=OFF -DOTTLA_WERROR=OFF
	@cmake --build build --parallel $(JOBS)

run: build
	@exec build/ottla

cluster: build
	@tools/install-deps cluster
	@exec tools/cluster

check:
	@tools/install-deps check
	@tools/configure build/check -DOTTLA_DEBUG_LOCKS=ON
	@cmake --build build/check --parallel $(JOBS)
	@$(CTEST) build/check

lint:
	@tools/install-deps check
	@tools/configure build/check -DOTTLA_DEBUG_LOCKS=ON
	@cmake --build build/check --parallel $(JOBS)
	@python3 -B tools/lint --build build/check
	@python3 -B tools/tests/test_lint.py --quiet
	@python3 -B tools/tests/test_install_deps.py --quiet
	@python3 -B compat-tests/cluster/test_checker.py --quiet
	@python3 -B compat-tests/librdkafka/test_runner.py --quiet
	@python3 -B bench/test_guard.py --quiet
	@python3 -B bench/test_rounds.py --quiet
	@python3 -B bench/test_report.py --quiet
	@python3 -B compat-tests/clients/test_row.py --quiet
	@python3 -B compat-tests/document --check

asan-unit:
	@tools/install-deps check
	@tools/configure build/asan -DOTTLA_SANITIZE=address,undefined
	@cmake --build build/asan --parallel $(JOBS)
	@$(CTEST) build/asan

asan: asan-unit
	@tools/install-deps client
	@OTTLA="$(CURDIR)/build/asan/ottla" compat-tests/run kcat

tsan-unit:
	@tools/install-deps check
	@tools/configure build/tsan -DOTTLA_SANITIZE=thread
	@cmake --build build/tsan --parallel $(JOBS)
	@$(NO_ASLR) $(CTEST) build/tsan

tsan: tsan-unit
	@tools/install-deps client
	@OTTLA="$(CURDIR)/build/tsan/ottla" $(NO_ASLR) compat-tests/run kcat

# What the corpora of the tree do not have yet stays in build/fuzz/corpus; tools/fuzz-corpus takes it into the tree.
FUZZ_SECONDS ?= 60
fuzz:
	@tools/install-deps fuzz
	@tools/configure build/fuzz -DCMAKE_C_COMPILER=clang -DOTTLA_FUZZ=ON
	@cmake --build build/fuzz --parallel $(JOBS) --target fuzzers
	@while read -r fuzzer corpus; do \
	    echo "$$fuzzer for $(FUZZ_SECONDS) s"; \
	    tools/fuzz-corpus unpack "$$corpus" "build/fuzz/corpus/$$fuzzer" && \
	    "build/fuzz/$$fuzzer" -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=20 -verbosity=0 \
	        -print_final_stats=1 -artifact_prefix=build/fuzz/ "build/fuzz/corpus/$$fuzzer" || exit 1; \
	done <build/fuzz/fuzzers.txt

# SUITE: the names of some suites; without it all of them run.
compat: build
	@tools/install-deps test
	@OTTLA="$(CURDIR)/build/ottla" compat-tests/suites $(SUITE)

compat-fast: build
	@tools/install-deps test
	@OTTLA="$(CURDIR)/build/ottla" compat-tests/run

chaos: build
	@tools/install-deps test
	@OTTLA="$(CURDIR)/build/ottla" compat-tests/run chaos

# One after the other, whatever -j says: each of them uses all processors by itself.
test:
	@tools/install-deps test
	@$(MAKE) lint
	@$(MAKE) check
	@$(MAKE) asan-unit
	@$(MAKE) tsan-unit
	@$(MAKE) guard
	@$(MAKE) compat-fast
	@echo 'make test: all passed'

demo: build
	@tools/install-deps demo
	@tools/demo

# CASE=name: only that one (bench/run --list names them). QUICK=1: the most important ones, under 3 minutes.
# RECORD=1: into docs/BENCHMARKS.md.
bench: build
	@tools/install-deps bench
	@tools/configure build -DOTTLA_TESTS=OFF -DOTTLA_WERROR=OFF -DOTTLA_LIBRDKAFKA="$$(bench/librdkafka)"
	@cmake --build build --parallel $(JOBS) --target bench-bare bench-load bench-rdkafka
	@bench/run $(if $(QUICK),--quick) $(if $(RECORD),--record) $(CASE)

# Instructions per request, counted by callgrind, beside those of bench/instructions.json. RECORD=1: into that file.
# Without valgrind it says so and passes.
guard: build
	@tools/install-deps guard || true
	@cmake --build build --parallel $(JOBS) --target bench-load
	@bench/guard $(if $(RECORD),--record)

tidy: check
	@tools/install-deps tidy
	@python3 -B tools/lint --build build/check --tidy

fmt:
	@tools/install-deps check
	@python3 -B tools/lint --format

clean:
	@rm -rf build
