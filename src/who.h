/*
 * who.h: who is asking: cookie, bearer token or ticket -> tenant, user, permissions.
 *
 * Turns a stranger's headers into the hash of a session token, and one line of the session cache into a
 * struct who. It talks to nobody: the actions let PostgreSQL judge the hash inside their transaction, the
 * streams ask Redis's cache and then `dapur ask`. Tokens never leave this module unhashed.
 *
 * A session token is 32 random bytes in base64url (43 characters); only its SHA-256 is stored.
 * A ticket (GET /api/ws) is base64url of session hash, expiry, nonce and an HMAC-SHA-256 (sodium's
 * crypto_auth_hmacsha256) under the setting `secret`; it lives 60 s and is used once.
 */
#ifndef DAPUR_WHO_H
#define DAPUR_WHO_H

#include "base.h"
#include "err.h"

enum {
	WHO_HASH_HEX = 64,  /* characters of a session hash */
	WHO_TOKEN_LEN = 43, /* characters of a session token */
	WHO_ID_MAX = 64,    /* bytes of a tenant's or a user's id */
	WHO_NAME_MAX = 120, /* bytes of a user's name */
	WHO_ROLE_MAX = 32,
	WHO_TICKET_TTL_S = 60,
	WHO_TICKET_LEN = 128, /* characters of a ticket: 96 bytes in base64url */
	WHO_NONCE_HEX = 32,
};

enum permission {
	PERM_NONE, /* anybody, no session looked at */
	PERM_ANY,  /* any valid session */
#define PERMISSION(name) PERM_##name,
#include "permission.def"
#undef PERMISSION
	PERM_COUNT
};

/* Name as in the table role_permission; "" for PERM_NONE, "*" for PERM_ANY. */
const char *permission_name(enum permission p);
enum permission permission_find(const char *name, size_t len); /* PERM_COUNT: no such */

/* How somebody said who he is. */
enum who_means {
	WHO_NOBODY,
	WHO_COOKIE, /* sent by the browser unasked: Origin must be checked */
	WHO_BEARER,
	WHO_TICKET,
};

struct who_claim {
	enum who_means means;
	char hash[WHO_HASH_HEX + 1];   /* hex SHA-256 of the session token */
	char nonce[WHO_NONCE_HEX + 1]; /* WHO_TICKET: to be used up once */
};

/* A known person in a known tenant; what the session cache holds. */
struct who {
	char sppg_id[WHO_ID_MAX + 1];
	char user_id[WHO_ID_MAX + 1];
	char name[WHO_NAME_MAX + 1];
	char role[WHO_ROLE_MAX + 1];
	uint32_t permissions; /* bit (1 << enum permission) */
	int64_t expires_s;    /* Unix time at which the session ends */
};

/* Name of the session cookie: the __Host- prefix needs https. */
const char *who_cookie_name(bool https);

/* The claim in the headers; NULL headers are absent ones. Cookie pairs may be joined by ';' or ','
 * (websocketd joins several Cookie headers by a comma). A malformed token is WHO_NOBODY. Bearer wins over the cookie. */
void who_claim(struct who_claim *ret, const char *cookie, const char *authorization,
    bool https);

/* A fresh session token and its hash. */
void who_token_new(char ret_token[WHO_TOKEN_LEN + 1], char ret_hash[WHO_HASH_HEX + 1]);

/* A ticket for the session, valid until now_s + WHO_TICKET_TTL_S. secret: the setting. */
void who_ticket_new(char ret_ticket[WHO_TICKET_LEN + 1], const char *hash,
    const char *secret, int64_t now_s);
/* Checks mac and expiry. Fails E_UNAUTHORIZED. The caller uses the nonce up. */
int who_ticket_open(struct who_claim *ret, const char *ticket, const char *secret,
    int64_t now_s, struct err *e) MUST_CHECK;

/*
 * The line of the session cache, which dapur.session_line() writes: tenant, user, name, role, Unix time of its end,
 * permissions by commas, and the session as GET /api/session answers it; joined by TAB, which no member holds (CHECKs
 * of the schema, JSON). The permissions stand as names, so that a change of the enum does not change old lines' meaning.
 */
int who_parse(struct who *ret, const char *line, size_t len, struct err *e) MUST_CHECK;

/* The last member of a line, len bytes to the line's end; NULL when the line has none. */
const char *who_json(const char *line, size_t len, size_t *ret_len);

#endif
