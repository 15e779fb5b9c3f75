#include "tests/unit/expect.h"

#include <stdlib.h>

#include "api/integrations/observer/spoken.h"
#include "api/rest/check.h"

#include "proto/base/banned.h"

/* Lists with ' for ". The call starts at second 5, unless there is no start. */
struct fixture {
    const char *list;
    const char *wanted;
};

static const struct spoken_start at_five = {true, {5 * NS_PER_S}};
static const struct spoken_start nowhere = {false, {0}};

#define AT(s) "'1970-01-01T00:00:0" s "Z'"

static const struct fixture transcripts[] = {
    {"[]", "[]"},
    {"[{'role':'user','content':'a','timestamp':" AT("6") ",'endTimestamp':" AT("7.5") "}]",
     "[{'role':'CUSTOMER','text':'a','startOffsetMs':1000,'endOffsetMs':2500}]"},
    /* a time is preferred to an offset of the recording */
    {"[{'role':'assistant','content':'','timestamp':" AT(
         "6") ",'audioOffsetMs':7,'endAudioOffsetMs':"
              "1700.75,'userId':'u','language':'en'}]",
     "[{'role':'AGENT','text':'','startOffsetMs':1000,'endOffsetMs':1700,'payload':{'userId':'u',"
     "'audioOffsetMs':7,'endAudioOffsetMs':1700.75},'languageCode':'en'}]"},
    /* nothing known: behind the one before */
    {"[{'role':'user','content':'a','endTimestamp':" AT("6") "},{'role':'user','content':'b'}]",
     "[{'role':'CUSTOMER','text':'a','startOffsetMs':0,'endOffsetMs':1000},"
     "{'role':'CUSTOMER','text':'b','startOffsetMs':1000,'endOffsetMs':1000}]"},
    /* before the start, and an end before its own start */
    {"[{'role':'user','content':'a','timestamp':" AT("4") ",'endTimestamp':" AT("1") "}]",
     "[{'role':'CUSTOMER','text':'a','startOffsetMs':0,'endOffsetMs':0}]"},
    {"[{'role':'user','content':'a','timestamp':" AT("9") ",'endTimestamp':" AT("6") "}]",
     "[{'role':'CUSTOMER','text':'a','startOffsetMs':4000,'endOffsetMs':4000}]"},
    /* times that are none, offsets that are none */
    {"[{'role':'user','content':'a','timestamp':'noon','audioOffsetMs':-3,'endAudioOffsetMs':"
     "1e300,'userId':null}]",
     "[{'role':'CUSTOMER','text':'a','startOffsetMs':0,'endOffsetMs':9007199254740991,'payload':"
     "{'audioOffsetMs':-3,'endAudioOffsetMs':1.0000000000000001e300}}]"},
    {"[{'role':'user','content':'a','timestamp':'1677-09-22T00:00:00Z'}]",
     "[{'role':'CUSTOMER','text':'a','startOffsetMs':0,'endOffsetMs':0}]"},
    /* nobody's words */
    {"[{'role':'system','content':'a'},{'role':'User','content':'b'},{'role':'','content':'c'}]",
     "[]"},
};

static const struct fixture tools[] = {
    {"[]", "[]"},
    {"[{'kind':'tool_call','toolCallId':'c','name':'t','arguments':'{\\'a\\':1}','timestamp':" AT(
         "6") "},{'kind':'tool_result','toolCallId':'c','content':'r','timestamp':" AT("7") "}]",
     "[{'name':'t','parameters':{'a':1},'result':'r','startOffsetMs':1000,'toolCallId':'c',"
     "'endOffsetMs':2000}]"},
    /* in the order of the calls, whatever the order of the results */
    {"[{'kind':'tool_call','toolCallId':'a','name':'x','arguments':{'b':[]}},"
     "{'kind':'tool_call','toolCallId':'b','name':'y','arguments':''},"
     "{'kind':'tool_result','toolCallId':'b','content':{'z':null}},"
     "{'kind':'tool_result','toolCallId':'a','content':''}]",
     "[{'name':'x','parameters':{'b':[]},'result':'','startOffsetMs':0,'toolCallId':'a',"
     "'endOffsetMs':0},{'name':'y','parameters':{},'result':{'z':null},'startOffsetMs':0,"
     "'toolCallId':'b','endOffsetMs':0}]"},
    /* no result, no call, a second result, an id used again, no id at all */
    {"[{'kind':'tool_call','toolCallId':'a','name':'x'}]",
     "[{'name':'x','parameters':{},'result':null,'startOffsetMs':0,'toolCallId':'a'}]"},
    {"[{'kind':'tool_result','toolCallId':'a','content':'r'},{'kind':'tool_result'}]", "[]"},
    {"[{'kind':'tool_call','toolCallId':'a','name':'x'},{'kind':'tool_result','toolCallId':'a',"
     "'content':'1'},{'kind':'tool_result','toolCallId':'a','content':'2'}]",
     "[{'name':'x','parameters':{},'result':'1','startOffsetMs':0,'toolCallId':'a','endOffsetMs':"
     "0}]"},
    {"[{'kind':'tool_call','toolCallId':'a','name':'x'},{'kind':'tool_result','toolCallId':'a'},"
     "{'kind':'tool_call','toolCallId':'a','name':'y'},{'kind':'tool_result','toolCallId':'a',"
     "'content':'2'}]",
     "[{'name':'x','parameters':{},'result':null,'startOffsetMs':0,'toolCallId':'a',"
     "'endOffsetMs':0},{'name':'y','parameters':{},'result':'2','startOffsetMs':0,'toolCallId':"
     "'a','endOffsetMs':0}]"},
    {"[{'kind':'tool_call'},{'kind':'tool_result','content':'r'}]",
     "[{'name':'','parameters':{},'result':'r','startOffsetMs':0,'endOffsetMs':0}]"},
    /* arguments that are no object stay what the model wrote */
    {"[{'kind':'tool_call','name':'x','arguments':'{'},{'kind':'tool_call','name':'x','arguments':"
     "'[1]'},{'kind':'tool_call','name':'x','arguments':'{\\'a\\':1,\\'a\\':2}'},"
     "{'kind':'tool_call','name':'x','arguments':null}]",
     "[{'name':'x','parameters':{'arguments':'{'},'result':null,'startOffsetMs':0},"
     "{'name':'x','parameters':{'arguments':'[1]'},'result':null,'startOffsetMs':0},"
     "{'name':'x','parameters':{'arguments':'{`a`:1,`a`:2}'},'result':null,'startOffsetMs':0},"
     "{'name':'x','parameters':{},'result':null,'startOffsetMs':0}]"},
    {"[{'kind':'tool_dream','name':'x'},{'kind':'TOOL_CALL'}]", "[]"},
};

static json_t *list_of(const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len + 1);
    assert_non_null(copy);
    for (size_t i = 0; i <= len; i++) {
        copy[i] = (char)(text[i] == '\'' ? '"' : text[i]);
    }
    json_t *list = json_loads(copy, 0, NULL);
    assert_non_null(list);
    free(copy);
    return list;
}

/* Takes `list`. `"` becomes ', an escaped one `. */
static void expect_list(json_t *list, const char *wanted)
{
    assert_non_null(list);
    char *text = json_dumps(list, JSON_COMPACT);
    assert_non_null(text);
    size_t kept = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        bool is_escaped = text[i] == '\\' && text[i + 1] == '"';
        text[kept++] = (char)(is_escaped ? '`' : text[i] == '"' ? '\'' : text[i]);
        i += is_escaped;
    }
    text[kept] = '\0';
    assert_string_equal(text, wanted);
    mem_free(text);
    json_decref(list);
}

static void utterances(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof transcripts / sizeof transcripts[0]; i++) {
        json_t *list = list_of(transcripts[i].list);
        expect_list(spoken_transcript(list, at_five), transcripts[i].wanted);
        json_decref(list);
    }
}

static void without_a_start_the_recording_counts(void **state)
{
    (void)state;
    json_t *list = list_of("[{'role':'user','content':'a','timestamp':" AT(
        "6") ",'audioOffsetMs':7},{'role':'user','content':'b','timestamp':" AT("9") "}]");
    expect_list(spoken_transcript(list, nowhere),
                "[{'role':'CUSTOMER','text':'a','startOffsetMs':7,'endOffsetMs':7,'payload':"
                "{'audioOffsetMs':7}},{'role':'CUSTOMER','text':'b','startOffsetMs':7,"
                "'endOffsetMs':7}]");
    json_decref(list);
}

static void invocations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++) {
        json_t *list = list_of(tools[i].list);
        expect_list(spoken_tools(list, at_five), tools[i].wanted);
        json_decref(list);
    }
}

/* `{"a":"xxx..."}` of so many octets. */
static json_t *arguments_of(size_t octets)
{
    char *text = malloc(octets + 1);
    assert_non_null(text);
    memset(text, 'x', octets);
    memcpy(text, "{\"a\":\"", 6);
    memcpy(text + octets - 2, "\"}", 2);
    text[octets] = '\0';
    json_t *list = json_pack("[{s:s, s:s}]", "kind", "tool_call", "arguments", text);
    assert_non_null(list);
    free(text);
    return list;
}

static void so_much_of_arguments_is_read(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        json_t *list = arguments_of(SPOKEN_ARGUMENTS_BYTES + more);
        json_t *made = spoken_tools(list, at_five);
        const json_t *parameters = json_object_get(json_array_get(made, 0), "parameters");
        assert_int_equal(json_object_get(parameters, "a") != NULL, more == 0);
        assert_int_equal(json_object_get(parameters, "arguments") != NULL, more == 1);
        json_decref(made);
        json_decref(list);
    }
}

static void pass_transcript(void *context)
{
    json_decref(spoken_transcript(context, at_five));
}

static void pass_tools(void *context)
{
    json_decref(spoken_tools(context, at_five));
}

static void a_failing_allocation_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 1; i < sizeof transcripts / sizeof transcripts[0] - 1; i++) {
        json_t *list = list_of(transcripts[i].list);
        assert_true(expect_survives_oom(pass_transcript, list) > 5);
        json_decref(list);
    }
    for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++) {
        json_t *list = list_of(tools[i].list);
        assert_true(expect_survives_oom(pass_tools, list) > 1);
        json_decref(list);
    }
}

int main(void)
{
    json_set_alloc_funcs(mem_alloc, mem_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utterances),
        cmocka_unit_test(without_a_start_the_recording_counts),
        cmocka_unit_test(invocations),
        cmocka_unit_test(so_much_of_arguments_is_read),
        cmocka_unit_test(a_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
