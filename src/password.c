#include "password.h"

#include <crypt.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "banned.h"

#define OPS 2
#define MEMORY ((size_t)19 << 20)

_Static_assert(PASSWORD_HASH_MAX >= crypto_pwhash_argon2id_STRBYTES, "a hash fits");

void
password_hash(char ret[PASSWORD_HASH_MAX], const char *password)
{
	if (crypto_pwhash_str_alg(ret, password, strlen(password), OPS, MEMORY,
		crypto_pwhash_ALG_ARGON2ID13) != 0)
		mem_exhausted();
}

static bool
verify_bcrypt(const char *hash, const char *password)
{
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	const char *again;
	bool same;

	again = crypt_r(password, hash, data);
	same = again && strlen(again) == strlen(hash) &&
	    sodium_memcmp(again, hash, strlen(hash)) == 0;
	sodium_memzero(data, sizeof(*data));
	free(data);
	return same;
}

bool
password_verify(const char *hash, const char *password)
{
	char nobody[PASSWORD_HASH_MAX];

	if (!hash) {
		password_hash(nobody, password);
		return false;
	}
	if (strncmp(hash, "$2", 2) == 0)
		return verify_bcrypt(hash, password);
	return crypto_pwhash_str_verify(hash, password, strlen(password)) == 0;
}

bool
password_outdated(const char *hash)
{
	return strncmp(hash, "$argon2id$", 10) != 0 ||
	    crypto_pwhash_str_needs_rehash(hash, OPS, MEMORY) != 0;
}
