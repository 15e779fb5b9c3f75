/* calltrace-api: the daemon and its administration. */
#include <stdio.h>
#include <string.h>

#include "api/admin/admin.h"
#include "api/admin/pull.h"
#include "api/conf.h"
#include "api/serve.h"

#include "proto/base/banned.h"

static const char help_text[] =
    "usage: calltrace-api COMMAND ...\n"
    "\n"
    "  serve [--config FILE] [--ROW=VALUE ...]\n"
    "      Takes OTLP exports and API requests over HTTPS until SIGTERM or SIGINT.\n"
    "  config\n"
    "      Prints every row with its default and what it means, as a file for --config.\n"
    "      A row may also be given as --ROW=VALUE or as env CALLTRACE_ROW; flag before env before "
    "file.\n"
    "  migrate --postgres=CONNINFO\n"
    "      Brings the database to this program's schema, and says what each role may do.\n"
    "  role login api|correlator|admin [--password-file FILE] --postgres=CONNINFO\n"
    "      Lets calltrace_api, calltrace_correlator or calltrace_admin log in, with FILE's line as "
    "its\n"
    "      password. Like migrate this runs as the owner; what runs later needs no more than its "
    "role.\n"
    "  project create NAME --postgres=CONNINFO\n"
    "      Makes a project and prints its id.\n"
    "  project list --postgres=CONNINFO\n"
    "  key create --project NAME --name LABEL --scopes ingest,read,write,manage "
    "--postgres=CONNINFO\n"
    "      Makes an API key and prints it; it is shown this once and stored as a hash.\n"
    "  key list --project NAME --postgres=CONNINFO\n"
    "  key revoke KEYID --postgres=CONNINFO\n"
    "      The key is refused everywhere within 5 seconds.\n"
    "  key rotate KEYID [--grace 1d] --postgres=CONNINFO\n"
    "      Makes and prints a key with the name and scopes of this one, which works on until "
    "--grace is "
    "over.\n"
    "  audit --project NAME [--since 30d] --postgres=CONNINFO\n"
    "      Prints who changed keys and settings, and when.\n"
    "  livekit add --project NAME --api-key KEY [--secret-file PATH] [--secrets_key_file FILE]\n"
    "      Takes webhooks that LiveKit signs with this key. Its secret is read from standard input "
    "and\n"
    "      sealed with the key file that serve has, or stays in a file that serve can read.\n"
    "  livekit list --project NAME\n"
    "  livekit remove --project NAME --api-key KEY\n"
    "  vapi secret add --project NAME --name LABEL [--secret-file PATH] [--secrets_key_file FILE]\n"
    "      Takes server messages that VAPI signs (HMAC) with this secret, read or kept as above, "
    "and\n"
    "      prints the path for its server URL. How it signs, when not as VAPI does by itself:\n"
    "      --algorithm --signature-header --timestamp-header --message-id-header "
    "--signature-prefix\n"
    "      --payload-format --encoding --url --include-timestamp=on|off --secret-base64=on|off\n"
    "  vapi secret list --project NAME\n"
    "  vapi secret remove --project NAME ID\n"
    "  vapi select --project NAME ASSISTANT...\n"
    "      Takes server messages about calls of these assistants alone; none selected: of every "
    "one.\n"
    "  vapi unselect --project NAME ASSISTANT...\n"
    "  vapi selected --project NAME\n"
    "  vapi pull --since TIME [--until TIME] --url CALLTRACE-URL\n"
    "            [--vapi-key-file FILE] [--key-file FILE]\n"
    "      Fetches the calls of VAPI, and their logs, that this calltrace does not have yet. The\n"
    "      keys, VAPI's and then calltrace's, are lines of standard input, unless a file holds\n"
    "      them. TIME is like 2026-01-31T08:00:00Z or 36h (so long ago). It needs no Postgres.\n"
    "      Also: --ca-file FILE (who signed calltrace's certificate), --vapi-url URL,\n"
    "      --vapi-ca-file FILE, --proxy URL (to VAPI), --no-logs, --allow-loopback (VAPI's\n"
    "      address may be on this machine).\n"
    "  doctor --project NAME [--since 10m] --postgres=CONNINFO\n"
    "      Prints what arrived lately, and why what did not match did not. Only reads.\n"
    "  version\n"
    "  help\n"
    "\n"
    "CONNINFO may also stand in env CALLTRACE_POSTGRES, which keeps passwords out of the process "
    "list;\nFILE in env CALLTRACE_SECRETS_KEY_FILE.\n"
    "Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration.\n";

static int usage(const char *problem, const char *word)
{
    (void)fprintf(stderr, "calltrace-api: %s%s%s\n%s", problem, word[0] == '\0' ? "" : ": ", word,
                  help_text);
    return ADMIN_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const char *const *words = (const char *const *)argv;
    if (argc < 2) {
        return usage("a command is missing", "");
    }
    const char *command = words[1];
    if (strcmp(command, "serve") == 0) {
        return serve_run(argc - 2, words + 2);
    }
    if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0) {
        return puts("calltrace-api " CALLTRACE_VERSION) < 0 ? ADMIN_EXIT_FAILED : ADMIN_EXIT_FINE;
    }
    if (strcmp(command, "config") == 0) {
        api_conf_describe(stdout);
        return ADMIN_EXIT_FINE;
    }
    if (strcmp(command, "help") == 0 || strcmp(command, "--help") == 0) {
        return fputs(help_text, stdout) < 0 ? ADMIN_EXIT_FAILED : ADMIN_EXIT_FINE;
    }
    if (strcmp(command, "vapi") == 0 && argc > 2 && strcmp(words[2], "pull") == 0) {
        return pull_run(argc - 3, words + 3);
    }
    int code = ADMIN_EXIT_FINE;
    if (!admin_run(argc - 1, words + 1, &code)) {
        return usage("there is no command", command);
    }
    return code;
}
