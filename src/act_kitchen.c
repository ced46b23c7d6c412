/*
 * act_kitchen.c: what the forms of a kitchen need: programs, menus, staff.
 */
#include "act.h"

#include "banned.h"

static int
program_list(struct action *a, struct err *e)
{
	return action_list(a, Q_PROGRAM_LIST, PARAMS(a->known), e);
}

static const struct field menu_fields[] = {
    {"programId", IN_QUERY, FIELD_ID, 0, 0, 0, NULL, NULL},
    {0},
};

static int
menu_list(struct action *a, struct err *e)
{
	return action_list(a, Q_MENU_LIST,
	    PARAMS(a->known, input_text(a->in, "programId")), e);
}

static const struct field staff_fields[] = {
    {"role", IN_QUERY, FIELD_TEXT, 0, 1, WHO_ROLE_MAX, NULL, NULL},
    {0},
};

static int
staff_list(struct action *a, struct err *e)
{
	return action_list(a, Q_STAFF_LIST, PARAMS(a->known, input_text(a->in, "role")),
	    e);
}

const struct route act_kitchen[] = {
    {HTTP_GET, "/program", PERM_READ, TX_READ, NULL, program_list, "program.list",
	"the kitchen's programs"},
    {HTTP_GET, "/menu", PERM_READ, TX_READ, menu_fields, menu_list, "menu.list",
	"the kitchen's menus"},
    {HTTP_GET, "/staff", PERM_READ, TX_READ, staff_fields, staff_list, "staff.list",
	"the kitchen's people"},
    {0},
};
