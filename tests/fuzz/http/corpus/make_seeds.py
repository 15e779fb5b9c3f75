#!/usr/bin/env python3
"""Writes the hand-made seeds of the HTTP fuzz targets. Run it anywhere; it writes the same files each time."""

import os

URIS = {
    "root": "/", "path": "/v1/call/0b0e7a7e-5f5c-4c1c-8a55-0d4f4f7a1a11/traces", "empty": "", "star": "*",
    "absolute": "http://localhost:4318/v1/call?limit=5", "absolute_bare": "HTTPS://h", "absolute_query": "http://h?x=1",
    "authority": "h:443", "query": "/v1/traces?attr=k%3Av&attr=a+b&limit=100&after=&x", "fragment": "/a?b#c",
    "empty_pieces": "/a?&&=&a&=b&", "encoded_slash": "/v1/call/a%2Fb", "encoded_nul": "/a%00", "half_percent": "/a%4",
    "lone_percent": "/%?%", "no_hex": "/%zz", "overlong": "/%c0%af", "surrogate": "/%ed%a0%80", "utf8": "/%f0%9f%98%80",
    "dots": "/v1/../v1/./call", "double_encoded": "/%252e%252e/", "count_256": "/?" + "&".join(["a=b"] * 256),
    "count_257": "/?" + "&".join(["a"] * 257), "length": "/" + "%41" * 4000, "backslash": "/v1\\call", "plus": "/a+b?a+b=c+d",
}

KEY = "ct_live_" + "A" * 43
SESSION = "0b0e7a7e5f5c4c1c8a550d4f4f7a1a11.1790000000." + "ab" * 32
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def head(path="/v1/call", authorization="", vapi="", cookie="", request_id="", parent="", event="", kind="", codings=""):
    return "\n".join([path, authorization, vapi, cookie, request_id, parent, event, kind, codings])


HEADS = {
    "empty": "", "key": head(authorization="Bearer " + KEY), "bare_key": head(vapi=KEY),
    "no_space": head(authorization="Bearer"), "basic": head(authorization="Basic " + KEY),
    "long_key": head(authorization="Bearer " + KEY + "A"), "two_words": head(authorization="Bearer  " + KEY + " x"),
    "session": head(cookie="a=b; calltrace_session=" + SESSION + "; c=d"),
    "session_twice": head(cookie="calltrace_session=x;calltrace_session=" + SESSION),
    "session_far": head(cookie="calltrace_session=" + "0" * 32 + "." + "9" * 30 + "." + "0" * 64),
    "session_short": head(cookie="calltrace_session=" + "0" * 32 + "." + "0" * 64), "cookie_odd": head(cookie=";;= ; =;"),
    "request_id": head(request_id="req-1_a.b:c/d"), "request_id_long": head(request_id="a" * 65),
    "request_id_odd": head(request_id="a b\tc"), "parent": head(parent=PARENT), "parent_off": head(parent=PARENT[:-1] + "0"),
    "parent_upper": head(parent=PARENT.upper()), "parent_zero": head(parent="00-" + "0" * 32 + "-b7ad6b7169203331-01"),
    "parent_future": head(parent="01" + PARENT[2:] + "-more"), "parent_ff": head(parent="ff" + PARENT[2:]),
    "parent_more": head(parent=PARENT + "-x"), "parent_cut": head(parent=PARENT[:54]),
    "last_event": head(event="abcdef-12"), "last_event_far": head(event="ABCDEF-" + "9" * 30), "last_event_odd": head(event="-"),
    "parts": head("/v1/traces/%41%2f/spans/b/values/c", kind="application/json; charset=utf-8"),
    "slashes": head("//v1///call//"), "deep_path": head("/a" * 200), "bad_part": head("/v1/call/%ff/traces"),
    "codings": head(codings="br;q=1.0, gzip; q=0.8, *;q=0"), "codings_odd": head(codings="gzip;q=0.000,,;=, identity;q=2"),
    "type": head(kind="Application/X-Protobuf ; a=b"),
}

os.chdir(os.path.dirname(os.path.abspath(__file__)))
for folder, seeds in (("uri", URIS), ("head", HEADS)):
    os.makedirs(folder, exist_ok=True)
    for name, seed in seeds.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(seed.encode())
