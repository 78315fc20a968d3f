// SPDX-License-Identifier: Apache-2.0
//
// What a fuzz target is. Each <room>/tests/fuzz_<name>.c defines the function below and becomes a program twice over:
// linked with libFuzzer, which looks for inputs that reach new code (make fuzz), and with replay.c, which runs the
// inputs of <room>/tests/corpus/<name>.txt, and small changes of each, in every `make check`.
#ifndef OTTLA_BASE_TESTS_FUZZ_FUZZ_H
#define OTTLA_BASE_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

// Does with the bytes whatever the target is about, and aborts when something does not hold. It keeps nothing from one
// call to the next: the same bytes always do the same. Answers 0.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
