/* Who is asking: cookies, bearer tokens, tickets, lines of the session cache. */
#include "who.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include <cmocka.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW 1800000000

static char token[WHO_TOKEN_LEN + 1], hash[WHO_HASH_HEX + 1];
static char other[WHO_TOKEN_LEN + 1], other_hash[WHO_HASH_HEX + 1];

static int
make_tokens(void **state)
{
	(void)state;
	if (sodium_init() < 0)
		return -1;
	who_token_new(token, hash);
	who_token_new(other, other_hash);
	return 0;
}

static void
tokens(void **state)
{
	unsigned char digest[crypto_hash_sha256_BYTES];
	char hex[WHO_HASH_HEX + 1];

	(void)state;
	assert_int_equal(strlen(token), WHO_TOKEN_LEN);
	assert_int_equal(strlen(hash), WHO_HASH_HEX);
	assert_string_not_equal(token, other);
	crypto_hash_sha256(digest, (const unsigned char *)token, strlen(token));
	sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
	assert_string_equal(hash, hex);
}

/* @ stands for the token, # for the other one. */
static const char *
with_tokens(const char *pattern)
{
	static char text[2][1024];
	static unsigned turn;
	char *out = text[turn++ % 2], *p = out;

	for (; *pattern; pattern++)
		if (*pattern == '@' || *pattern == '#')
			p = stpcpy(p, *pattern == '@' ? token : other);
		else
			*p++ = *pattern;
	*p = '\0';
	return out;
}

static void
claims(void **state)
{
	static const struct {
		const char *cookie, *authorization;
		bool https;
		enum who_means means;
		bool other;
	} rows[] = {
	    {NULL, NULL, false, WHO_NOBODY, false},
	    {"", "", false, WHO_NOBODY, false},
	    {"dapur_session=@", NULL, false, WHO_COOKIE, false},
	    {"a=b; dapur_session=@; c=d", NULL, false, WHO_COOKIE, false},
	    {"a=b, dapur_session=@, c=d", NULL, false, WHO_COOKIE,
		false}, /* websocketd joins so */
	    {";; ,dapur_session=@ ;", NULL, false, WHO_COOKIE, false},
	    {"dapur_session=x; dapur_session=@", NULL, false, WHO_COOKIE, false},
	    {"dapur_session=@; dapur_session=#", NULL, false, WHO_COOKIE, false},
	    {"dapur_session=#; dapur_session=@", NULL, false, WHO_COOKIE, true},
	    {"xdapur_session=@", NULL, false, WHO_NOBODY, false},
	    {"dapur_sessionx=@", NULL, false, WHO_NOBODY, false},
	    {"dapur_session", NULL, false, WHO_NOBODY, false},
	    {"dapur_session=", NULL, false, WHO_NOBODY, false},
	    {"dapur_session=@x", NULL, false, WHO_NOBODY, false},
	    {"dapur_session=\"@\"", NULL, false, WHO_NOBODY, false},
	    {"Dapur_Session=@", NULL, false, WHO_NOBODY, false},
	    {"__Host-dapur_session=@", NULL, false, WHO_NOBODY, false},
	    {"__Host-dapur_session=@", NULL, true, WHO_COOKIE, false},
	    {"dapur_session=@", NULL, true, WHO_NOBODY,
		false}, /* set by whoever came without TLS */
	    {NULL, "Bearer @", false, WHO_BEARER, false},
	    {NULL, "bearer @", false, WHO_BEARER,
		false}, /* schemes have no case: RFC 9110 section 11.1 */
	    {NULL, "BEARER   @", false, WHO_BEARER, false},
	    {NULL, "Bearer@", false, WHO_NOBODY, false},
	    {NULL, "Bearer", false, WHO_NOBODY, false},
	    {NULL, "Bearer ", false, WHO_NOBODY, false},
	    {NULL, "Bearer @ ", false, WHO_NOBODY, false},
	    {NULL, "Bearer @,", false, WHO_NOBODY, false},
	    {NULL, "Basic @", false, WHO_NOBODY, false},
	    {"dapur_session=#", "Bearer @", false, WHO_BEARER, false},
	    {"dapur_session=#", "Bearer nonsense", false, WHO_NOBODY, false},
	    {"dapur_session=#", "Basic YTpi", false, WHO_COOKIE, true},
	};
	struct who_claim c;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		who_claim(&c, rows[i].cookie ? with_tokens(rows[i].cookie) : NULL,
		    rows[i].authorization ? with_tokens(rows[i].authorization) : NULL,
		    rows[i].https);
		if (c.means != rows[i].means)
			fail_msg("row %zu: %d", i, c.means);
		if (c.means == WHO_NOBODY)
			assert_string_equal(c.hash, "");
		else
			assert_string_equal(c.hash, rows[i].other ? other_hash : hash);
		assert_string_equal(c.nonce, "");
	}
}

/* Base64 has one spelling of 32 bytes: the last character carries two unused bits. */
static void
tokens_have_one_spelling(void **state)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char cookie[128];
	struct who_claim c;
	int n = 0;

	(void)state;
	for (size_t i = 0; i < 64; i++) {
		snprintf(cookie, sizeof(cookie), "dapur_session=%.42s%c", token,
		    alphabet[i]);
		who_claim(&c, cookie, NULL, false);
		n += c.means == WHO_COOKIE;
	}
	assert_int_equal(n, 16);
	snprintf(cookie, sizeof(cookie), "dapur_session=%.41s+/", token);
	who_claim(&c, cookie, NULL, false);
	assert_int_equal(c.means, WHO_NOBODY);
}

static void
tickets(void **state)
{
	char ticket[WHO_TICKET_LEN + 1], again[WHO_TICKET_LEN + 1];
	struct who_claim c = {0}, d = {0};
	struct err e;

	(void)state;
	err_reset(&e);
	who_ticket_new(ticket, hash, SECRET, NOW);
	who_ticket_new(again, hash, SECRET, NOW);
	assert_int_equal(strlen(ticket), WHO_TICKET_LEN);
	assert_int_equal(who_ticket_open(&c, ticket, SECRET, NOW, &e), 0);
	assert_int_equal(c.means, WHO_TICKET);
	assert_string_equal(c.hash, hash);
	assert_int_equal(strlen(c.nonce), WHO_NONCE_HEX);
	assert_int_equal(who_ticket_open(&d, again, SECRET, NOW, &e), 0);
	assert_string_not_equal(c.nonce, d.nonce);
	assert_int_equal(who_ticket_open(&c, ticket, SECRET, NOW + WHO_TICKET_TTL_S, &e),
	    0);
	assert_int_equal(e.code, E_OK);
}

static void
bad_tickets(void **state)
{
	char ticket[WHO_TICKET_LEN + 1], changed[WHO_TICKET_LEN + 2];
	struct who_claim c = {.means = WHO_NOBODY};
	struct err e;

	(void)state;
	err_reset(&e);
	who_ticket_new(ticket, hash, SECRET, NOW);
	assert_int_equal(who_ticket_open(&c, ticket, SECRET, NOW + WHO_TICKET_TTL_S + 1,
			     &e),
	    -1);
	assert_string_equal(e.text, "the ticket is too old");
	assert_int_equal(who_ticket_open(&c, ticket, SECRET "x", NOW, &e), -1);
	assert_int_equal(who_ticket_open(&c, ticket, "", NOW, &e), -1);
	assert_int_equal(who_ticket_open(&c, "", SECRET, NOW, &e), -1);
	for (size_t i = 0; i < WHO_TICKET_LEN; i++) { /* whatever character is another */
		memcpy(changed, ticket, sizeof(ticket));
		changed[i] = changed[i] == 'A' ? 'B' : 'A';
		assert_int_equal(who_ticket_open(&c, changed, SECRET, NOW, &e), -1);
		changed[i] = '\0';
		assert_int_equal(who_ticket_open(&c, changed, SECRET, NOW, &e), -1);
	}
	snprintf(changed, sizeof(changed), "%sA", ticket);
	assert_int_equal(who_ticket_open(&c, changed, SECRET, NOW, &e), -1);
	assert_int_equal(e.code, E_UNAUTHORIZED);
	assert_int_equal(c.means, WHO_NOBODY);
	assert_string_equal(c.hash, "");
}

static void
lines_are_read(void **state)
{
	static const char line[] =
	    "sppg-1\tuser 1\tBu Siti \xc3\xa9\tSPPG_KEPALA\t1800000000\t"
	    "READ,USER_MANAGE\t{\"user\":{}}";
	static const char none[] = "s\tu\tn\tr\t5\t\t{}", old[] = "s\tu\tn\tr\t5\tREAD";
	struct who w;
	struct err e;
	size_t len = 0;

	(void)state;
	err_reset(&e);
	assert_int_equal(who_parse(&w, line, sizeof(line) - 1, &e), 0);
	assert_string_equal(w.sppg_id, "sppg-1");
	assert_string_equal(w.user_id, "user 1");
	assert_string_equal(w.name, "Bu Siti \xc3\xa9");
	assert_string_equal(w.role, "SPPG_KEPALA");
	assert_int_equal(w.expires_s, NOW);
	assert_int_equal(w.permissions,
	    1u << PERM_ANY | 1u << PERM_READ | 1u << PERM_USER_MANAGE);
	assert_string_equal(who_json(line, sizeof(line) - 1, &len), "{\"user\":{}}");
	assert_int_equal(len, 11);

	assert_int_equal(who_parse(&w, none, sizeof(none) - 1, &e), 0);
	assert_int_equal(w.permissions, 1u << PERM_ANY);
	assert_int_equal(who_parse(&w, old, sizeof(old) - 1, &e), 0);
	assert_int_equal(w.permissions, 1u << PERM_ANY | 1u << PERM_READ);
	assert_null(who_json(old, sizeof(old) - 1, &len));
	assert_null(who_json("", 0, &len));
}

static void
other_lines(void **state)
{
	static const char *const bad[] = {"", "\t\t\t\t\t", "s\tu\tn\tr\t5",
	    "s\tu\tn\tr\t\t", "s\tu\tn\tr\tx\t", "s\tu\tn\tr\t5x\t", "\tu\tn\tr\t5\t",
	    "s\t\tn\tr\t5\t", "s\tu\tn\tr\t99999999999999999999999999\t",
	    "s\tu\tn\tROLE_OF_MORE_THAN_THIRTY_TWO_BYTES\t5\t"};
	const char *newer = "s\tu\t\t\t-5\tREAD,FLY,,READX,WRITE";
	char long_id[120];
	struct who w;
	struct err e;

	(void)state;
	err_reset(&e);
	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		memset(&w, 'x', sizeof(w));
		assert_int_equal(who_parse(&w, bad[i], strlen(bad[i]), &e), -1);
		assert_int_equal(w.sppg_id[0], 'x');
	}
	assert_int_equal(e.code, E_INTERNAL);
	for (int len = WHO_ID_MAX; len <= WHO_ID_MAX + 1; len++) {
		int n = snprintf(long_id, sizeof(long_id), "%0*d\tu\tn\tr\t5\t", len, 7);

		assert_int_equal(who_parse(&w, long_id, (size_t)n, &e),
		    len > WHO_ID_MAX ? -1 : 0);
	}
	assert_int_equal(who_parse(&w, "s\0\tu\tn\tr\t5\t", 12, &e), -1);
	assert_int_equal(who_parse(&w, newer, strlen(newer), &e),
	    0); /* what we do not know means nothing */
	assert_int_equal(w.permissions,
	    1u << PERM_ANY | 1u << PERM_READ | 1u << PERM_WRITE);
}

static void
permissions(void **state)
{
	(void)state;
	assert_string_equal(permission_name(PERM_NONE), "");
	assert_string_equal(permission_name(PERM_ANY), "*");
	for (enum permission p = PERM_ANY + 1; p < PERM_COUNT; p++)
		assert_int_equal(permission_find(permission_name(p),
				     strlen(permission_name(p))),
		    p);
	assert_int_equal(permission_find("*", 1), PERM_COUNT);
	assert_int_equal(permission_find("", 0), PERM_COUNT);
	assert_int_equal(permission_find("READ", 3), PERM_COUNT);
	assert_string_equal(who_cookie_name(false), "dapur_session");
	assert_string_equal(who_cookie_name(true), "__Host-dapur_session");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tokens),
	    cmocka_unit_test(claims),
	    cmocka_unit_test(tokens_have_one_spelling),
	    cmocka_unit_test(tickets),
	    cmocka_unit_test(bad_tickets),
	    cmocka_unit_test(lines_are_read),
	    cmocka_unit_test(other_lines),
	    cmocka_unit_test(permissions),
	};

	return cmocka_run_group_tests(tests, make_tokens, NULL);
}
