/*
 * input_check.h: does one value fit its field? The part of input.c that looks at text and numbers.
 *
 * Only input.c calls it. Text is NUL-terminated UTF-8; nothing is converted, nothing is kept.
 */
#ifndef DAPUR_INPUT_CHECK_H
#define DAPUR_INPUT_CHECK_H

#include "input.h"

/* A value that came as text: a string of the body, or any of path and query. Fails E_INVALID. */
int input_check_string(const struct field *f, const char *s, struct err *e) MUST_CHECK;

/* A JSON number against the field's range. Fails E_INVALID. */
int input_check_number(const struct field *f, double v, struct err *e) MUST_CHECK;

bool input_is_id(const char *s);
bool input_is_url(const char *s);

#endif
