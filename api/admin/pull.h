/* pull: `calltrace-api vapi pull`, the repair of reports that never came.
 *
 * VAPI sends a call's report once. What was lost (we were away, the address was wrong) is fetched from its list of
 * calls with the customer's own key, and posted to a running calltrace as the report it would have been. Calls that
 * calltrace has are left as they are, so that the command may be run as often as one likes. It needs no Postgres.
 *
 * Results on standard output, sentences on standard error. Thread: the process' only one. */
#ifndef CALLTRACE_API_ADMIN_PULL_H
#define CALLTRACE_API_ADMIN_PULL_H

/* Gives the process' exit code: ADMIN_EXIT_FAILED when a call was refused or the walk broke off. */
int pull_run(int argc, const char *const *words);

#endif
