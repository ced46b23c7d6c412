#include "action.h"

#include <string.h>

#include "banned.h"

int
action_write(struct action *a, enum query q, struct db_params params, struct err *e)
{
	struct db_rows rows;

	if (db_run_last(a->tx, q, params, &rows, e) < 0)
		return -1;
	if (db_n_affected(&rows) == 0)
		return fail(e, E_NOT_FOUND, NULL);
	return 0;
}

void
action_expect(struct action *a, const char *id)
{
	const char **values;

	if (!a->if_match)
		return;
	values = arena_alloc(a->arena, 2 * sizeof(*values));
	values[0] = id;
	values[1] = a->if_match;
	db_queue(a->tx, (struct db_call){Q_PRODUCTION_EXPECT, {values, 2}});
}

int
action_list(struct action *a, enum query q, struct db_params params, struct err *e)
{
	struct db_rows rows;

	if (db_run_last(a->tx, q, params, &rows, e) < 0)
		return -1;
	if (db_n_rows(&rows) == 0)
		return fail(e, E_NOT_FOUND, NULL);
	a->answer.position = db_text(&rows, 0, 0);
	a->answer.etag = arena_printf(a->arena, "W/\"%s-%.*s\"", a->answer.position,
	    ACTION_ASKER_LEN, a->session_hash);
	a->answer.data = db_text(&rows, 0, 1);
	if (!a->answer.data) {
		a->answer.data = ""; /* unchanged: the reply is a 304 */
		return 0;
	}
	a->answer.data_len = db_len(&rows, 0, 1);
	if (a->answer.paged)
		a->answer.total = db_number(&rows, 0, 2);
	return 0;
}
