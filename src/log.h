/*
 * log.h: one structured line per event, on stderr, for the supervisor to keep.
 *
 * logfmt: `level=info prog=api event=request method=GET ... `. Values are quoted and escaped, so a
 * stranger's bytes cannot forge a line, nor move the cursor of the terminal that shows it. Only programs log. Never give it a secret.
 */
#ifndef DAPUR_LOG_H
#define DAPUR_LOG_H

#include "base.h"

enum log_level {
	LOG_DEBUG,
	LOG_INFO,
	LOG_WARN,
	LOG_ERROR,
};

/* The level of a name in the settings; LOG_INFO for any other. */
enum log_level log_level(const char *name);

void log_open(const char *prog, enum log_level least);

/* One line: pairs of key and value strings, ended by NULL. A NULL value leaves its pair out. */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

/* Short-lived text of a number for log_event(); valid until eight more calls. */
const char *log_num(long long n);

#endif
