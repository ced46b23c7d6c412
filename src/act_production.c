/*
 * act_production.c: productions: plan, list, change, move through the day, look back.
 */
#include "act.h"

#include "banned.h"

static const char *const statuses[] = {"PLANNED", "PREPARING", "COOKING", "QUALITY_CHECK",
    "COMPLETED", "CANCELLED", NULL};
static const char *const priorities[] = {"LOW", "NORMAL", "HIGH", "URGENT", "CRITICAL",
    NULL};

enum {
	PORTIONS_MAX = 100000,
	COST_MAX = 1000000000, /* rupiah */
	PAGE_DEFAULT = 20,
	PAGE_MAX = 100,
};

#define REQUIRED FIELD_REQUIRED
#define NULLABLE FIELD_NULLABLE

static const struct field create_fields[] = {
    {"programId", IN_BODY, FIELD_ID, REQUIRED, 0, 0, NULL, NULL},
    {"menuId", IN_BODY, FIELD_ID, REQUIRED, 0, 0, NULL, NULL},
    {"productionDate", IN_BODY, FIELD_DATE, REQUIRED, 0, 0, NULL, NULL},
    {"plannedPortions", IN_BODY, FIELD_INT, REQUIRED, 1, PORTIONS_MAX, NULL, NULL},
    {"headCook", IN_BODY, FIELD_ID, REQUIRED, 0, 0, NULL, NULL},
    {"plannedStartTime", IN_BODY, FIELD_TIME, REQUIRED, 0, 0, NULL, NULL},
    {"plannedEndTime", IN_BODY, FIELD_TIME, REQUIRED, 0, 0, NULL, NULL},
    {"batchNumber", IN_BODY, FIELD_TEXT, NULLABLE, 1, 50, NULL, NULL},
    {"assistantCooks", IN_BODY, FIELD_IDS, NULLABLE, 0, 50, NULL, NULL},
    {"supervisorId", IN_BODY, FIELD_ID, NULLABLE, 0, 0, NULL, NULL},
    {"estimatedCost", IN_BODY, FIELD_DECIMAL, NULLABLE, 0, COST_MAX, NULL, NULL},
    {"targetTemperature", IN_BODY, FIELD_DECIMAL, NULLABLE, -50, 300, NULL, NULL},
    {"priority", IN_BODY, FIELD_ENUM, NULLABLE, 0, 0, priorities, NULL},
    {"notes", IN_BODY, FIELD_TEXT, NULLABLE, 0, 2000, NULL, NULL},
    {0},
};

static int
production_create(struct action *a, struct err *e)
{
	const struct input *in = a->in;

	a->answer.status = 201;
	return action_write(a, Q_PRODUCTION_CREATE,
	    PARAMS(input_text(in, "programId"), input_text(in, "menuId"),
		input_text(in, "productionDate"), input_text(in, "plannedPortions"),
		input_text(in, "headCook"), input_text(in, "plannedStartTime"),
		input_text(in, "plannedEndTime"), input_text(in, "batchNumber"),
		input_text(in, "assistantCooks"), input_text(in, "supervisorId"),
		input_text(in, "estimatedCost"), input_text(in, "targetTemperature"),
		input_text(in, "priority"), input_text(in, "notes")),
	    e);
}

static const struct field list_fields[] = {
    {"status", IN_QUERY, FIELD_ENUMS, 0, 0, 0, statuses, NULL},
    {"from", IN_QUERY, FIELD_DATE, 0, 0, 0, NULL, NULL},
    {"to", IN_QUERY, FIELD_DATE, 0, 0, 0, NULL, NULL},
    {"menuId", IN_QUERY, FIELD_ID, 0, 0, 0, NULL, NULL},
    {"programId", IN_QUERY, FIELD_ID, 0, 0, 0, NULL, NULL},
    {"headCook", IN_QUERY, FIELD_ID, 0, 0, 0, NULL, NULL},
    {"search", IN_QUERY, FIELD_TEXT, 0, 1, 100, NULL, NULL},
    {"page", IN_QUERY, FIELD_INT, 0, 1, 100000, NULL, NULL},
    {"limit", IN_QUERY, FIELD_INT, 0, 1, PAGE_MAX, NULL, NULL},
    {0},
};

static int
production_list(struct action *a, struct err *e)
{
	const struct input *in = a->in;
	struct answer *out = &a->answer;
	const char *filters[] = {input_text(in, "status"), input_text(in, "from"),
	    input_text(in, "to"), input_text(in, "menuId"), input_text(in, "programId"),
	    input_text(in, "headCook"), input_text(in, "search")};
	const char *limit, *offset;
	bool filtered = false;

	out->paged = true;
	out->page = input_number(in, "page", 1);
	out->limit = input_number(in, "limit", PAGE_DEFAULT);
	limit = arena_printf(a->arena, "%lld", out->limit);
	offset = arena_printf(a->arena, "%lld", (out->page - 1) * out->limit);
	for (size_t i = 0; i < N_ELEMENTS(filters); i++)
		filtered = filtered || filters[i];
	if (!filtered)
		return action_list(a, Q_PRODUCTION_PAGE, PARAMS(a->known, limit, offset),
		    e);
	return action_list(a, Q_PRODUCTION_LIST,
	    PARAMS(a->known, filters[0], filters[1], filters[2], filters[3], filters[4],
		filters[5], filters[6], limit, offset),
	    e);
}

static const struct field id_fields[] = {
    {"id", IN_PATH, FIELD_ID, REQUIRED, 0, 0, NULL, NULL},
    {0},
};

static int
production_get(struct action *a, struct err *e)
{
	struct db_rows rows;

	if (db_run_last(a->tx, Q_PRODUCTION_GET, PARAMS(input_text(a->in, "id")), &rows,
		e) < 0)
		return -1;
	if (db_n_rows(&rows) == 0)
		return fail(e, E_NOT_FOUND, "there is no such production");
	a->answer.position = db_text(&rows, 0, 0);
	a->answer.data = db_text(&rows, 0, 1);
	a->answer.data_len = db_len(&rows, 0, 1);
	/* the version for If-Match: it says nothing of the menu and the program inside */
	a->answer.etag = arena_printf(a->arena, "\"v%s\"", db_text(&rows, 0, 2));
	a->answer.no_store = true;
	return 0;
}

/* Every member that a client may change; a column is what input_record() calls it. */
#define UPDATE_FIELDS                                                                    \
	{"programId", IN_BODY, FIELD_ID, 0, 0, 0, NULL, "program_id"},                   \
	    {"menuId", IN_BODY, FIELD_ID, 0, 0, 0, NULL, "menu_id"},                     \
	    {"productionDate", IN_BODY, FIELD_DATE, 0, 0, 0, NULL, "production_date"},   \
	    {"batchNumber", IN_BODY, FIELD_TEXT, 0, 1, 50, NULL, "batch_number"},        \
	    {"plannedPortions", IN_BODY, FIELD_INT, 0, 1, PORTIONS_MAX, NULL,            \
		"planned_portions"},                                                     \
	    {"actualPortions", IN_BODY, FIELD_INT, NULLABLE, 0, PORTIONS_MAX, NULL,      \
		"actual_portions"},                                                      \
	    {"headCook", IN_BODY, FIELD_ID, 0, 0, 0, NULL, "head_cook"},                 \
	    {"assistantCooks", IN_BODY, FIELD_IDS, 0, 0, 50, NULL, "assistant_cooks"},   \
	    {"supervisorId", IN_BODY, FIELD_ID, NULLABLE, 0, 0, NULL, "supervisor_id"},  \
	    {"plannedStartTime", IN_BODY, FIELD_TIME, 0, 0, 0, NULL,                     \
		"planned_start_time"},                                                   \
	    {"plannedEndTime", IN_BODY, FIELD_TIME, 0, 0, 0, NULL, "planned_end_time"},  \
	    {"actualStartTime", IN_BODY, FIELD_TIME, NULLABLE, 0, 0, NULL,               \
		"actual_start_time"},                                                    \
	    {"actualEndTime", IN_BODY, FIELD_TIME, NULLABLE, 0, 0, NULL,                 \
		"actual_end_time"},                                                      \
	    {"estimatedCost", IN_BODY, FIELD_DECIMAL, 0, 0, COST_MAX, NULL,              \
		"estimated_cost"},                                                       \
	    {"actualCost", IN_BODY, FIELD_DECIMAL, NULLABLE, 0, COST_MAX, NULL,          \
		"actual_cost"},                                                          \
	    {"targetTemperature", IN_BODY, FIELD_DECIMAL, NULLABLE, -50, 300, NULL,      \
		"target_temperature"},                                                   \
	    {"actualTemperature", IN_BODY, FIELD_DECIMAL, NULLABLE, -50, 300, NULL,      \
		"actual_temperature"},                                                   \
	    {"hygieneScore", IN_BODY, FIELD_INT, NULLABLE, 1, 100, NULL,                 \
		"hygiene_score"},                                                        \
	    {"tasteRating", IN_BODY, FIELD_INT, NULLABLE, 1, 5, NULL, "taste_rating"},   \
	    {"appearanceRating", IN_BODY, FIELD_INT, NULLABLE, 1, 5, NULL,               \
		"appearance_rating"},                                                    \
	    {"textureRating", IN_BODY, FIELD_INT, NULLABLE, 1, 5, NULL,                  \
		"texture_rating"},                                                       \
	    {"wasteAmount", IN_BODY, FIELD_DECIMAL, NULLABLE, 0, 100000, NULL,           \
		"waste_amount"},                                                         \
	    {"wasteNotes", IN_BODY, FIELD_TEXT, NULLABLE, 0, 1000, NULL, "waste_notes"}, \
	    {"notes", IN_BODY, FIELD_TEXT, NULLABLE, 0, 2000, NULL, "notes"},            \
	    {"photos", IN_BODY, FIELD_URLS, 0, 0, 20, NULL, "photos"},                   \
	    {"priority", IN_BODY, FIELD_ENUM, 0, 0, 0, priorities, "priority"},          \
	{                                                                                \
		0                                                                        \
	}

static const struct field update_fields[] = {{"id", IN_PATH, FIELD_ID, REQUIRED, 0, 0,
						 NULL, NULL},
    UPDATE_FIELDS};

/* The seed's form: PUT /api/production with the id in the body. */
static const struct field update_body_fields[] = {{"id", IN_BODY, FIELD_ID, REQUIRED, 0,
						      0, NULL, NULL},
    UPDATE_FIELDS};

static int
production_update(struct action *a, struct err *e)
{
	const char *id = input_text(a->in, "id");
	struct buf record;
	char *json;
	size_t n;

	buf_init(&record, 0);
	n = input_record(a->in, &record);
	json = arena_strndup(a->arena, record.bytes, record.len);
	buf_free(&record);
	if (n == 0)
		return fail_field(e, "body", "REQUIRED",
		    "name at least one field to change");
	action_expect(a, id);
	return action_write(a, Q_PRODUCTION_UPDATE, PARAMS(id, json), e);
}

static int
production_delete(struct action *a, struct err *e)
{
	const char *id = input_text(a->in, "id");

	action_expect(a, id);
	return action_write(a, Q_PRODUCTION_DELETE, PARAMS(id), e);
}

static const struct field status_fields[] = {
    {"id", IN_PATH, FIELD_ID, REQUIRED, 0, 0, NULL, NULL},
    {"status", IN_BODY, FIELD_ENUM, REQUIRED, 0, 0, statuses, NULL},
    {"actualPortions", IN_BODY, FIELD_INT, NULLABLE, 0, PORTIONS_MAX, NULL, NULL},
    {"reason", IN_BODY, FIELD_TEXT, NULLABLE, 1, 1000, NULL, NULL},
    {"notes", IN_BODY, FIELD_TEXT, NULLABLE, 0, 2000, NULL, NULL},
    {0},
};

static int
production_set_status(struct action *a, struct err *e)
{
	const struct input *in = a->in;
	const char *id = input_text(in, "id");

	action_expect(a, id);
	return action_write(a, Q_PRODUCTION_SET_STATUS,
	    PARAMS(id, input_text(in, "status"), input_text(in, "actualPortions"),
		input_text(in, "reason"), input_text(in, "notes")),
	    e);
}

static int
production_history(struct action *a, struct err *e)
{
	return action_list(a, Q_PRODUCTION_HISTORY, PARAMS(input_text(a->in, "id")), e);
}

static const struct field stats_fields[] = {
    {"from", IN_QUERY, FIELD_DATE, 0, 0, 0, NULL, NULL},
    {"to", IN_QUERY, FIELD_DATE, 0, 0, 0, NULL, NULL},
    {0},
};

static int
production_stats(struct action *a, struct err *e)
{
	return action_list(a, Q_PRODUCTION_STATS,
	    PARAMS(a->known, input_text(a->in, "from"), input_text(a->in, "to")), e);
}

const struct route act_production[] = {
    {HTTP_GET, "/production", PERM_READ, TX_READ, list_fields, production_list,
	"production.list", "list productions, newest day first"},
    {HTTP_POST, "/production", PERM_PRODUCTION_MANAGE, TX_WRITE, create_fields,
	production_create, "production.create", "plan a production"},
    {HTTP_PUT, "/production", PERM_PRODUCTION_MANAGE, TX_WRITE, update_body_fields,
	production_update, NULL, "change a production named in the body"},
    {HTTP_GET, "/production/stats", PERM_READ, TX_READ, stats_fields, production_stats,
	"production.stats", "figures over a span of days"},
    {HTTP_GET, "/production/{id}", PERM_READ, TX_READ, id_fields, production_get,
	"production.byId", "one production"},
    {HTTP_PUT, "/production/{id}", PERM_PRODUCTION_MANAGE, TX_WRITE, update_fields,
	production_update, "production.update", "change a production"},
    {HTTP_PATCH, "/production/{id}", PERM_PRODUCTION_MANAGE, TX_WRITE, update_fields,
	production_update, NULL, "change a production"},
    {HTTP_DELETE, "/production/{id}", PERM_PRODUCTION_MANAGE, TX_WRITE, id_fields,
	production_delete, "production.delete",
	"delete a planned or cancelled production"},
    {HTTP_PUT, "/production/{id}/status", PERM_PRODUCTION_MANAGE, TX_WRITE, status_fields,
	production_set_status, NULL, "move a production to its next status"},
    {HTTP_PATCH, "/production/{id}/status", PERM_PRODUCTION_MANAGE, TX_WRITE,
	status_fields, production_set_status, "production.updateStatus",
	"move a production to its next status"},
    {HTTP_GET, "/production/{id}/events", PERM_READ, TX_READ, id_fields,
	production_history, "production.history", "who did what when"},
    {0},
};
