/* Password hashes: ours, imported bcrypt ones, nobody's. */
#include "password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <sodium.h>

#include <cmocka.h>

/* "U*U" under each prefix that imports bring (source: the test vectors of crypt_blowfish). */
#define BCRYPT(prefix) prefix "05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

static void
ours(void **state)
{
	char hash[PASSWORD_HASH_MAX], again[PASSWORD_HASH_MAX];

	(void)state;
	password_hash(hash, "rahasia dapur");
	password_hash(again, "rahasia dapur");
	assert_int_equal(strncmp(hash, "$argon2id$", 10), 0);
	assert_string_not_equal(hash, again);
	assert_true(password_verify(hash, "rahasia dapur"));
	assert_false(password_verify(hash, "rahasia dapu"));
	assert_false(password_verify(hash, "rahasia dapur "));
	assert_false(password_verify(hash, ""));
	assert_false(password_outdated(hash));
}

static void
imported(void **state)
{
	static const char *const hashes[] = {BCRYPT("$2a$"), BCRYPT("$2b$"),
	    BCRYPT("$2y$")};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(hashes); i++) {
		assert_true(password_verify(hashes[i], "U*U"));
		assert_false(password_verify(hashes[i], "U*"));
		assert_false(password_verify(hashes[i], "U*U*"));
		assert_false(password_verify(hashes[i], ""));
		assert_true(password_outdated(hashes[i]));
	}
}

/* Whatever stands in the column: no password fits, and nothing breaks. */
static void
nonsense(void **state)
{
	static const char *const hashes[] = {"", "x", "$", "$2", "$2b$", "$2b$05$",
	    "$2b$99$CCCCCCCCCCCCCCCCCCCCC.", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.",
	    "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$", "*0", "*1", "plain",
	    "$1$abc$def"};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(hashes); i++) {
		assert_false(password_verify(hashes[i], "plain"));
		assert_false(password_verify(hashes[i], ""));
		assert_true(password_outdated(hashes[i]));
	}
	assert_false(password_verify(NULL, "plain"));
}

static int
setup(void **state)
{
	(void)state;
	return sodium_init() < 0 ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ours),
	    cmocka_unit_test(imported),
	    cmocka_unit_test(nonsense),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
