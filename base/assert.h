// SPDX-License-Identifier: Apache-2.0
//
// ASSERT states what must hold if this program is right. It is always compiled in: a broker that goes on with broken
// invariants damages data. It never judges input from outside; that gets an error.
#ifndef OTTLA_BASE_ASSERT_H
#define OTTLA_BASE_ASSERT_H

#define ASSERT(cond) ((cond) ? (void)0 : assert_failed(#cond, __FILE__, __LINE__, __func__))

// Prints what, where and which, then aborts.
_Noreturn void assert_failed(const char *cond, const char *file, int line, const char *func);

#endif
