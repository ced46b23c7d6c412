#include "bus_keys.h"

#include <assert.h>
#include <string.h>

#include "banned.h"

const char *const bus_topics[] = {"production", "menu", "program", "staff", NULL};

_Static_assert(N_ELEMENTS(bus_topics) == BUS_TOPICS + 1,
    "bus_topics and BUS_TOPICS differ");

/* Puts id where the pattern has its one %s. */
struct bus_text
bus_key(char buffer[BUS_KEY_CAP], const char *pattern, const char *id)
{
	const char *at = strstr(pattern, "%s");
	size_t before = (size_t)(at - pattern), id_len = strlen(id),
	       after = strlen(at + 2);

	assert(before + id_len + after < BUS_KEY_CAP);
	memcpy(buffer, pattern, before);
	memcpy(buffer + before, id, id_len);
	memcpy(buffer + before + id_len, at + 2, after + 1);
	return (struct bus_text){buffer, before + id_len + after};
}
