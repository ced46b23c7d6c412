/*
 * act.h: the route tables of all domains; each ends with a row without a path. route.c lists them.
 */
#ifndef DAPUR_ACT_H
#define DAPUR_ACT_H

#include "action.h"

extern const struct route act_session[];
extern const struct route act_production[];
extern const struct route act_quality[];
extern const struct route act_kitchen[];
extern const struct route act_stream[];
extern const struct route act_health[];

#endif
