#include "who.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "banned.h"

#define TOKEN_BYTES 32
#define HASH_BYTES crypto_hash_sha256_BYTES
#define NONCE_BYTES 16
#define JSON_MEMBER 6 /* members of a cached line before it */
#define BASE64 sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* What a ticket's characters decode to; the mac covers all before it. */
struct ticket {
	unsigned char hash[HASH_BYTES];
	unsigned char expires[8]; /* big endian Unix seconds */
	unsigned char nonce[NONCE_BYTES];
	unsigned char reserved[8];
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
};

_Static_assert(sizeof(struct ticket) == 96, "a ticket is 96 bytes, 128 characters");

static const char *const permission_names[PERM_COUNT] = {
    [PERM_NONE] = "",
    [PERM_ANY] = "*",
#define PERMISSION(name) [PERM_##name] = #name,
#include "permission.def"
#undef PERMISSION
};

const char *
permission_name(enum permission p)
{
	assert(p < PERM_COUNT);
	return permission_names[p];
}

enum permission
permission_find(const char *name, size_t len)
{
	enum permission p;

	for (p = PERM_ANY + 1; p < PERM_COUNT; p++)
		if (strlen(permission_names[p]) == len &&
		    memcmp(permission_names[p], name, len) == 0)
			break;
	return p;
}

const char *
who_cookie_name(bool https)
{
	return https ? "__Host-dapur_session" : "dapur_session";
}

static void
hash_token(const char *token, char ret_hash[WHO_HASH_HEX + 1])
{
	unsigned char hash[HASH_BYTES];

	crypto_hash_sha256(hash, (const unsigned char *)token, WHO_TOKEN_LEN);
	sodium_bin2hex(ret_hash, WHO_HASH_HEX + 1, hash, sizeof(hash));
}

/* A token has one spelling: 43 characters that decode to 32 bytes. */
static bool
token_valid(const char *s, size_t len)
{
	unsigned char bytes[TOKEN_BYTES];
	size_t n;

	return len == WHO_TOKEN_LEN &&
	    sodium_base642bin(bytes, sizeof(bytes), s, len, NULL, &n, NULL, BASE64) ==
	    0 &&
	    n == sizeof(bytes);
}

static bool
claim_token(struct who_claim *c, enum who_means means, const char *s, size_t len)
{
	if (!token_valid(s, len))
		return false;
	c->means = means;
	hash_token(s, c->hash);
	return true;
}

/* The value of the first pair called name with a well-formed token. */
static void
claim_cookie(struct who_claim *c, const char *cookie, const char *name)
{
	size_t name_len = strlen(name);
	const char *p = cookie;

	while (*p) {
		size_t len;

		p += strspn(p, "; ,\t");
		len = strcspn(p, ";,");
		if (len > name_len && p[name_len] == '=' &&
		    memcmp(p, name, name_len) == 0) {
			const char *value = p + name_len + 1;
			size_t value_len = len - name_len - 1;

			while (value_len && value[value_len - 1] == ' ')
				value_len--;
			if (claim_token(c, WHO_COOKIE, value, value_len))
				return;
		}
		p += len;
	}
}

void
who_claim(struct who_claim *ret, const char *cookie, const char *authorization,
    bool https)
{
	static const char scheme[] = "Bearer "; /* in any case: RFC 9110 section 11.1 */

	*ret = (struct who_claim){.means = WHO_NOBODY};
	if (authorization &&
	    strncasecmp(authorization, scheme, sizeof(scheme) - 1) == 0) {
		const char *token = authorization + sizeof(scheme) - 1;

		token += strspn(token, " ");
		claim_token(ret, WHO_BEARER, token, strlen(token));
		return;
	}
	if (cookie)
		claim_cookie(ret, cookie, who_cookie_name(https));
}

void
who_token_new(char ret_token[WHO_TOKEN_LEN + 1], char ret_hash[WHO_HASH_HEX + 1])
{
	unsigned char bytes[TOKEN_BYTES];

	randombytes_buf(bytes, sizeof(bytes));
	sodium_bin2base64(ret_token, WHO_TOKEN_LEN + 1, bytes, sizeof(bytes), BASE64);
	hash_token(ret_token, ret_hash);
}

/* hmacsha256 takes a key of any length through its multi-part interface. */
static void
ticket_mac(unsigned char mac[crypto_auth_hmacsha256_BYTES], const struct ticket *t,
    const char *secret)
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, (const unsigned char *)secret,
	    strlen(secret));
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)t,
	    offsetof(struct ticket, mac));
	crypto_auth_hmacsha256_final(&state, mac);
}

void
who_ticket_new(char ret_ticket[WHO_TICKET_LEN + 1], const char *hash, const char *secret,
    int64_t now_s)
{
	uint64_t expires = (uint64_t)(now_s + WHO_TICKET_TTL_S);
	struct ticket t = {.reserved = {0}};
	size_t n;

	sodium_hex2bin(t.hash, sizeof(t.hash), hash, WHO_HASH_HEX, NULL, &n, NULL);
	for (int i = 0; i < 8; i++)
		t.expires[i] = (unsigned char)(expires >> (56 - 8 * i));
	randombytes_buf(t.nonce, sizeof(t.nonce));
	ticket_mac(t.mac, &t, secret);
	sodium_bin2base64(ret_ticket, WHO_TICKET_LEN + 1, (const unsigned char *)&t,
	    sizeof(t), BASE64);
}

int
who_ticket_open(struct who_claim *ret, const char *ticket, const char *secret,
    int64_t now_s, struct err *e)
{
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	uint64_t expires = 0;
	struct ticket t;
	size_t n;

	if (!secret[0])
		return fail(e, E_UNAUTHORIZED, "tickets are not set up here");
	if (strlen(ticket) != WHO_TICKET_LEN ||
	    sodium_base642bin((unsigned char *)&t, sizeof(t), ticket, WHO_TICKET_LEN,
		NULL, &n, NULL, BASE64) != 0 ||
	    n != sizeof(t))
		return fail(e, E_UNAUTHORIZED, "the ticket is not valid");
	ticket_mac(mac, &t, secret);
	if (sodium_memcmp(mac, t.mac, sizeof(mac)) != 0)
		return fail(e, E_UNAUTHORIZED, "the ticket is not valid");
	for (int i = 0; i < 8; i++)
		expires = expires << 8 | t.expires[i];
	if (expires < (uint64_t)now_s)
		return fail(e, E_UNAUTHORIZED, "the ticket is too old");
	ret->means = WHO_TICKET;
	sodium_bin2hex(ret->hash, sizeof(ret->hash), t.hash, sizeof(t.hash));
	sodium_bin2hex(ret->nonce, sizeof(ret->nonce), t.nonce, sizeof(t.nonce));
	return 0;
}

/* Copies one TAB-ended member of the line; false when it does not fit. */
static bool
take(const char **p, const char *end, char *ret, size_t cap)
{
	const char *tab = memchr(*p, '\t', (size_t)(end - *p));
	size_t len;

	if (!tab)
		return false;
	len = (size_t)(tab - *p);
	if (len >= cap || memchr(*p, '\0', len))
		return false;
	memcpy(ret, *p, len);
	ret[len] = '\0';
	*p = tab + 1;
	return true;
}

int
who_parse(struct who *ret, const char *line, size_t len, struct err *e)
{
	const char *p = line, *end = line + len, *tab;
	struct who w = {.permissions = 1u << PERM_ANY};
	char expires[24], *stop;

	if (!take(&p, end, w.sppg_id, sizeof(w.sppg_id)) ||
	    !take(&p, end, w.user_id, sizeof(w.user_id)) ||
	    !take(&p, end, w.name, sizeof(w.name)) ||
	    !take(&p, end, w.role, sizeof(w.role)) ||
	    !take(&p, end, expires, sizeof(expires)) || !w.sppg_id[0] || !w.user_id[0])
		return fail_detail(e, E_INTERNAL, "malformed session line");
	w.expires_s = strtoll(expires, &stop, 10);
	if (stop == expires || *stop)
		return fail_detail(e, E_INTERNAL, "malformed session line");
	tab = memchr(p, '\t', (size_t)(end - p));
	if (tab)
		end = tab;
	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t n = comma ? (size_t)(comma - p) : (size_t)(end - p);
		enum permission perm = permission_find(p, n);

		if (perm < PERM_COUNT) /* a name of a newer release means nothing here */
			w.permissions |= 1u << perm;
		p += n + (comma ? 1 : 0);
	}
	*ret = w;
	return 0;
}

const char *
who_json(const char *line, size_t len, size_t *ret_len)
{
	const char *p = line, *end = line + len;

	for (int i = 0; p && i < JSON_MEMBER; i++) {
		p = memchr(p, '\t', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	if (p)
		*ret_len = (size_t)(end - p);
	return p;
}
