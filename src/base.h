/*
 * base.h: what every file needs: attributes, small macros, nothing else.
 *
 * Include it first. It owns nothing and must never include a library header.
 */
#ifndef DAPUR_BASE_H
#define DAPUR_BASE_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))

#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* Exit codes as in s6: the supervisor reads them. */
enum {
	EXIT_USAGE = 100,
	EXIT_SYSTEM = 111,
};

#endif
