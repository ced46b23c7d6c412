/*
 * Any claim: lines of cookie and Authorization, then a ticket or a line of the session cache. A claim is a whole hash
 * or nobody's; what was parsed is written the same way again.
 */
#include "who.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* The ticket in the corpus was made with these. */
#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW 1800000000

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return sodium_init() < 0 ? -1 : 0;
}

static bool
is_hex(const char *s, size_t len)
{
	return strlen(s) == len && strspn(s, "0123456789abcdef") == len;
}

static void
check_claim(const char *cookie, const char *authorization, bool https)
{
	struct who_claim c;

	who_claim(&c, cookie, authorization, https);
	assert(c.means != WHO_TICKET && !c.nonce[0]);
	if (c.means == WHO_NOBODY)
		assert(!c.hash[0]);
	else
		assert(is_hex(c.hash, WHO_HASH_HEX));
	if (c.means == WHO_COOKIE)
		assert(strstr(cookie, who_cookie_name(https)));
	if (c.means == WHO_BEARER)
		assert(strlen(authorization) > WHO_TOKEN_LEN);
}

static void
check_ticket(const char *ticket)
{
	struct who_claim c = {.means = WHO_NOBODY};
	struct err e;

	err_reset(&e);
	if (who_ticket_open(&c, ticket, SECRET, NOW, &e) < 0) {
		assert(e.code == E_UNAUTHORIZED && c.means == WHO_NOBODY && !c.hash[0]);
		return;
	}
	assert(c.means == WHO_TICKET && strlen(ticket) == WHO_TICKET_LEN);
	assert(is_hex(c.hash, WHO_HASH_HEX) && is_hex(c.nonce, WHO_NONCE_HEX));
}

static void
check_line(const char *line, size_t len)
{
	const char *json;
	size_t json_len;
	struct who w;
	struct err e;

	err_reset(&e);
	if (who_parse(&w, line, len, &e) < 0) {
		assert(e.code == E_INTERNAL);
		return;
	}
	assert(w.sppg_id[0] && w.user_id[0] && w.permissions & 1u << PERM_ANY);
	assert(!(w.permissions & ~((1u << PERM_COUNT) - 1)) &&
	    !(w.permissions & 1u << PERM_NONE));
	json = who_json(line, len, &json_len);
	assert(!json || (json > line && json + json_len == line + len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *p = (const char *)bytes, *end = p + len;
	char *lines[3];

	for (size_t i = 0; i < N_ELEMENTS(lines); i++) {
		const char *lf = i < 2 ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		size_t n = (size_t)((lf ? lf : end) - p);

		lines[i] = xmalloc(n + 1);
		memcpy(lines[i], p, n);
		lines[i][n] = '\0';
		if (i == 2)
			check_line(lines[i], n);
		p += n + (lf ? 1 : 0);
	}
	for (int https = 0; https < 2; https++) {
		check_claim(lines[0], lines[1], https);
		check_claim(lines[0], NULL, https);
		check_claim(NULL, lines[1], https);
	}
	check_ticket(lines[2]);
	for (size_t i = 0; i < N_ELEMENTS(lines); i++)
		free(lines[i]);
	return 0;
}
