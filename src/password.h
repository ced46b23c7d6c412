/*
 * password.h: verify and make password hashes.
 *
 * New hashes are argon2id (libsodium) with 19 MiB and 2 passes (source: OWASP Password Storage Cheat Sheet); imported bcrypt hashes
 * ($2a$, $2b$, $2y$) are verified by crypt(3) and are to be replaced after the next log-in.
 */
#ifndef DAPUR_PASSWORD_H
#define DAPUR_PASSWORD_H

#include "base.h"

enum {
	PASSWORD_MAX = 128,      /* characters taken */
	PASSWORD_HASH_MAX = 128, /* bytes of a hash with its NUL */
};

/* hash NULL: nobody's; takes as long as a real one, and is false. */
bool password_verify(const char *hash, const char *password);
bool password_outdated(const char *hash);
void password_hash(char ret[PASSWORD_HASH_MAX], const char *password);

#endif
