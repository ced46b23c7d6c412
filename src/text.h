/*
 * text.h: bytes of strangers as text: percent encoding and UTF-8.
 */
#ifndef DAPUR_TEXT_H
#define DAPUR_TEXT_H

#include "base.h"
#include "mem.h"

/* Percent-decodes len bytes ('+' is a space when plus). NULL on a bad escape or NUL. */
char *text_decode(struct arena *a, const char *s, size_t len, bool plus);

/* The same into the cap bytes of ret. False also when it does not fit there. */
bool text_decode_into(char *ret, size_t cap, const char *s, size_t len, bool plus);

/* UTF-8 by RFC 3629: no overlong forms, surrogates or code points beyond U+10FFFF. */
bool text_utf8_valid(const char *s, size_t len);

/* Code points of valid UTF-8. */
size_t text_chars(const char *s);

#endif
