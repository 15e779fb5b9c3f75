/* agent: the agents and customers that a body names. Thread: any. */
#ifndef CALLTRACE_REST_AGENT_H
#define CALLTRACE_REST_AGENT_H

#include <jansson.h>

#include "api/rest/out.h"

/* The agents (or customers) of a body as a list of objects: `several`, or the one; NULL when none was named (no
 * error). Gives. Errors: MEMORY. */
FALLIBLE parties_of_body(struct bytes one, struct bytes several, json_t **ret_list);

/* The id that an agent is known by: its roarkId, else made from its customId or its name and the project, always
 * the same. */
struct uuid agent_id(const json_t *agent, struct uuid project, struct arena *arena);

/* "agents": [...] or null. Errors: MEMORY. */
FALLIBLE agents_write(struct out *out, struct bytes agent, struct bytes agents, struct uuid project,
                      struct arena *arena);

/* One object for each agent and customer, with its role. Either list may be NULL. */
void participants_write(struct out *out, const json_t *agents, const json_t *customers,
                        struct uuid project, struct arena *arena);

/* "customers": [...] as sent, or null. */
void customers_write(struct out *out, struct bytes customer, struct bytes customers);

#endif
