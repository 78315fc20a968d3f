// SPDX-License-Identifier: Apache-2.0
//
// cmocka.h needs these headers before it, in this order; a test includes this file instead.
#ifndef OTTLA_BASE_TESTS_CMOCKA_ALL_H
#define OTTLA_BASE_TESTS_CMOCKA_ALL_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#endif
