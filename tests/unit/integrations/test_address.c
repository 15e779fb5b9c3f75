/* Addresses: what is on the public internet and what is not, at the edges of every range. */
#include "tests/unit/expect.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "api/integrations/address.h"

#include "proto/base/banned.h"

static bool is_public(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        return address_is_public((const struct sockaddr *)&in, sizeof in);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return address_is_public((const struct sockaddr *)&in6, sizeof in6);
}

static void public_addresses_pass(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1.0.0.0",      "9.255.255.255",   "11.0.0.0",        "100.63.255.255",
        "100.128.0.0",  "126.255.255.255", "128.0.0.0",       "169.253.255.255",
        "169.255.0.0",  "172.15.255.255",  "172.32.0.0",      "192.0.1.0",
        "192.0.3.0",    "192.88.98.255",   "192.88.100.0",    "192.167.255.255",
        "192.169.0.0",  "198.17.255.255",  "198.20.0.0",      "198.51.99.255",
        "198.51.101.0", "203.0.112.255",   "203.0.114.0",     "223.255.255.255",
        "2000::",       "2001:200::1",     "2001:db7:ffff::", "2001:db9::",
        "2001:ffff::",  "2003::",          "2606:4700::1111", "3ffe:ffff::",
        "3fff:1000::",  "64:ff9b::8.8.8.8"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!is_public(texts[i])) {
            fail_msg("%s is taken for private", texts[i]);
        }
    }
}

static void every_other_address_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"0.0.0.0",
                                        "0.255.255.255",
                                        "10.0.0.0",
                                        "10.255.255.255",
                                        "100.64.0.0",
                                        "100.127.255.255",
                                        "127.0.0.1",
                                        "127.255.255.255",
                                        "169.254.0.0",
                                        "169.254.169.254",
                                        "172.16.0.0",
                                        "172.31.255.255",
                                        "192.0.0.0",
                                        "192.0.0.255",
                                        "192.0.2.1",
                                        "192.88.99.1",
                                        "192.168.0.0",
                                        "192.168.255.255",
                                        "198.18.0.0",
                                        "198.19.255.255",
                                        "198.51.100.7",
                                        "203.0.113.7",
                                        "224.0.0.1",
                                        "239.255.255.255",
                                        "240.0.0.1",
                                        "255.255.255.255",
                                        "::",
                                        "::1",
                                        "::8.8.8.8",
                                        "::ffff:8.8.8.8",
                                        "::ffff:127.0.0.1",
                                        "::ffff:0:8.8.8.8",
                                        "64:ff9b::10.0.0.1",
                                        "64:ff9b::127.0.0.1",
                                        "64:ff9b:1::8.8.8.8",
                                        "100::1",
                                        "2001::1",
                                        "2001:1ff:ffff::",
                                        "2001:db8::",
                                        "2001:db8:ffff::1",
                                        "2002:808:808::1",
                                        "2002:7f00:1::",
                                        "3fff::1",
                                        "3fff:fff:ffff::1",
                                        "4000::1",
                                        "1fff::1",
                                        "fc00::1",
                                        "fdff::1",
                                        "fe80::1",
                                        "febf::1",
                                        "fec0::1",
                                        "ff02::1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (is_public(texts[i])) {
            fail_msg("%s is taken for public", texts[i]);
        }
    }
}

static void other_families_and_cut_addresses_are_refused(void **state)
{
    (void)state;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x08080808)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr.s6_addr = {0x20, 0x03}};
    assert_false(address_is_public((const struct sockaddr *)&un, sizeof un));
    assert_true(address_is_public((const struct sockaddr *)&in, sizeof in));
    assert_false(address_is_public((const struct sockaddr *)&in, sizeof in - 1));
    assert_true(address_is_public((const struct sockaddr *)&in6, sizeof in6));
    assert_false(address_is_public((const struct sockaddr *)&in6, sizeof in6 - 1));
}

static void literals_in_urls_are_known(void **state)
{
    (void)state;
    assert_true(address_text_may_be_public("example.org"));
    assert_true(address_text_may_be_public("8.8.8.8"));
    assert_true(address_text_may_be_public("[2606:4700::1111]"));
    assert_true(address_text_may_be_public("127.example.org"));
    assert_false(address_text_may_be_public("127.0.0.1"));
    assert_false(address_text_may_be_public("[::1]"));
    assert_false(address_text_may_be_public("[::ffff:8.8.8.8]"));
    assert_false(address_text_may_be_public("[fe80::1%25eth0]"));
    assert_false(address_text_may_be_public("[no address]"));
    assert_false(address_text_may_be_public("[]"));
    assert_false(address_text_may_be_public(
        "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_addresses_pass),
        cmocka_unit_test(every_other_address_is_refused),
        cmocka_unit_test(other_families_and_cut_addresses_are_refused),
        cmocka_unit_test(literals_in_urls_are_known),
    };
    return cmocka_run_group_tests_name("integrations_address", tests, NULL, NULL);
}
