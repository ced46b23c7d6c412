/*
 * act_health.c: is the program there, and is it of use?
 */
#include "act.h"

#include <string.h>

#include "banned.h"

static int
answer_status(struct action *a, const char *json)
{
	a->answer.data = json;
	a->answer.data_len = strlen(json);
	return 0;
}

static int
health(struct action *a, struct err *e)
{
	(void)e;
	return answer_status(a, "{\"status\":\"ok\"}");
}

static int
ready(struct action *a, struct err *e)
{
	struct db_rows rows;

	if (db_run(a->tx, Q_HEALTH_READY, NO_PARAMS, &rows, e) < 0)
		return -1;
	return answer_status(a, "{\"status\":\"ready\",\"database\":\"ok\"}");
}

const struct route act_health[] = {
    {HTTP_GET, "/health", PERM_NONE, TX_NONE, NULL, health, NULL, "the program runs"},
    {HTTP_GET, "/ready", PERM_NONE, TX_NONE, NULL, ready, NULL,
	"the program and its database work"},
    {0},
};
