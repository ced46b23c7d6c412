/*
 * act_quality.c: the quality checks of a production.
 */
#include "act.h"

#include "banned.h"

static const char *const types[] = {"HYGIENE", "TEMPERATURE", "TASTE", "APPEARANCE",
    "SAFETY", NULL};
static const char *const severities[] = {"LOW", "MEDIUM", "HIGH", "CRITICAL", NULL};

static const struct field list_fields[] = {
    {"id", IN_PATH, FIELD_ID, FIELD_REQUIRED, 0, 0, NULL, NULL},
    {0},
};

static int
quality_list(struct action *a, struct err *e)
{
	return action_list(a, Q_QUALITY_LIST, PARAMS(input_text(a->in, "id")), e);
}

static const struct field add_fields[] = {
    {"id", IN_PATH, FIELD_ID, FIELD_REQUIRED, 0, 0, NULL, NULL},
    {"checkType", IN_BODY, FIELD_ENUM, FIELD_REQUIRED, 0, 0, types, NULL},
    {"parameter", IN_BODY, FIELD_TEXT, FIELD_REQUIRED, 1, 200, NULL, NULL},
    {"expectedValue", IN_BODY, FIELD_TEXT, FIELD_NULLABLE, 0, 200, NULL, NULL},
    {"actualValue", IN_BODY, FIELD_TEXT, FIELD_REQUIRED, 1, 200, NULL, NULL},
    {"passed", IN_BODY, FIELD_BOOL, FIELD_REQUIRED, 0, 0, NULL, NULL},
    {"score", IN_BODY, FIELD_INT, FIELD_NULLABLE, 1, 100, NULL, NULL},
    {"severity", IN_BODY, FIELD_ENUM, FIELD_NULLABLE, 0, 0, severities, NULL},
    {"notes", IN_BODY, FIELD_TEXT, FIELD_NULLABLE, 0, 2000, NULL, NULL},
    {"recommendations", IN_BODY, FIELD_TEXT, FIELD_NULLABLE, 0, 2000, NULL, NULL},
    {"actionRequired", IN_BODY, FIELD_BOOL, FIELD_NULLABLE, 0, 0, NULL, NULL},
    {"actionTaken", IN_BODY, FIELD_TEXT, FIELD_NULLABLE, 0, 2000, NULL, NULL},
    {"followUpDate", IN_BODY, FIELD_DATE, FIELD_NULLABLE, 0, 0, NULL, NULL},
    {0},
};

static int
quality_add(struct action *a, struct err *e)
{
	const struct input *in = a->in;
	const char *id = input_text(in, "id");

	a->answer.status = 201;
	action_expect(a, id);
	return action_write(a, Q_QUALITY_ADD,
	    PARAMS(id, input_text(in, "checkType"), input_text(in, "parameter"),
		input_text(in, "expectedValue"), input_text(in, "actualValue"),
		input_text(in, "passed"), input_text(in, "score"),
		input_text(in, "severity"), input_text(in, "notes"),
		input_text(in, "recommendations"), input_text(in, "actionRequired"),
		input_text(in, "actionTaken"), input_text(in, "followUpDate")),
	    e);
}

const struct route act_quality[] = {
    {HTTP_GET, "/production/{id}/quality-checks", PERM_READ, TX_READ, list_fields,
	quality_list, "production.qualityChecks", "the quality checks of a production"},
    {HTTP_POST, "/production/{id}/quality-checks", PERM_QUALITY_MANAGE, TX_WRITE,
	add_fields, quality_add, "production.addQualityCheck", "add a quality check"},
    {HTTP_PUT, "/production/{id}/quality-checks", PERM_QUALITY_MANAGE, TX_WRITE,
	add_fields, quality_add, NULL, "add a quality check"},
    {0},
};
