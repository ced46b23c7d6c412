/* The arena: alignment, many blocks, what a reset keeps; memory that is out ends the process. */
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void
aligns_and_separates(void **state)
{
	struct arena a = {NULL, NULL};
	unsigned char *parts[2000];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
		parts[i] = arena_alloc(&a, i % 97);
		assert_int_equal((uintptr_t)parts[i] % _Alignof(max_align_t), 0);
		memset(parts[i], (int)(i % 251), i % 97);
	}
	for (size_t i = 0; i < N_ELEMENTS(parts); i++)
		for (size_t k = 0; k < i % 97; k++)
			assert_int_equal(parts[i][k], i % 251);
	arena_free(&a);
	assert_null(a.first);
	arena_free(&a);
}

static void
reset_keeps_one_block(void **state)
{
	struct arena a = {NULL, NULL};
	char *first, *huge;

	(void)state;
	arena_reset(&a);
	first = arena_alloc(&a, 100);
	for (int i = 0; i < 100; i++)
		memset(arena_alloc(&a, 1000), 'x', 1000);
	arena_reset(&a);
	assert_ptr_equal(arena_alloc(&a, 100), first);
	arena_free(&a);

	/* one huge request must not be remembered */
	huge = arena_alloc(&a, 1 << 20);
	memset(huge, 'x', 1 << 20);
	arena_reset(&a);
	assert_null(a.first);
	arena_free(&a);
}

static void
copies_text(void **state)
{
	struct arena a = {NULL, NULL};
	char large[40000];

	(void)state;
	memset(large, 'y', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	assert_string_equal(arena_strdup(&a, ""), "");
	assert_string_equal(arena_strdup(&a, "menu"), "menu");
	assert_string_equal(arena_strndup(&a, "menu", 2), "me");
	assert_string_equal(arena_printf(&a, "%s-%04d", "B", 7), "B-0007");
	assert_string_equal(arena_printf(&a, "%s", large), large);
	assert_string_equal(arena_strdup(&a, large), large);
	for (size_t i = 0; i < 500; i++)
		assert_int_equal(((char *)arena_zalloc(&a, 500))[i], 0);
	arena_free(&a);
}

static void
empty_is_something(void **state)
{
	char *s = xstrdup("abc");

	(void)state;
	assert_string_equal(s, "abc");
	s = xrealloc(s, 100);
	assert_string_equal(s, "abc");
	free(s);
	s = xmalloc(0);
	assert_non_null(s);
	free(s);
	s = xcalloc(0, 0);
	assert_non_null(s);
	free(s);
}

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* The supervisor reads 111. A sanitizer would report the refused size itself. */
#ifndef SANITIZED
static void
out_of_memory_is_111(void **state)
{
	volatile size_t half = SIZE_MAX / 2; /* the compiler must not see it */
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		free(xmalloc(half));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_SYSTEM);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(aligns_and_separates),
	    cmocka_unit_test(reset_keeps_one_block),
	    cmocka_unit_test(copies_text),
	    cmocka_unit_test(empty_is_something),
#ifndef SANITIZED
	    cmocka_unit_test(out_of_memory_is_111),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
