-- Projects and keys, calls and chats, traces, their keys, segments and links.
-- project_id leads every primary key. Key values are bytea: U+0000 is valid UTF-8 and text refuses it.
-- Kinds of keys: proto/base/match_keys.def. Numbers of other enums: proto/bus/message.h.

create table project (
    id         uuid primary key,
    name       text not null unique,
    created_at timestamptz not null default now()
);

create table api_key (
    project_id   uuid not null,
    id           uuid not null,
    name         text not null,
    hint         text not null,          -- the key's first characters, to recognise it by
    hash         bytea not null unique,  -- SHA-256 of the whole key
    scopes       integer not null,       -- bits: 1 ingest, 2 read, 4 write, 8 manage
    created_at   timestamptz not null default now(),
    revoked_at   timestamptz,
    last_used_at timestamptz,
    primary key (project_id, id)
);

create table conversation (
    project_id       uuid not null,
    id               uuid not null,
    kind             smallint not null,
    source           smallint not null,
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    started_at       timestamptz,
    ended_at         timestamptz,
    status           smallint not null,
    direction        smallint not null,
    title            text,
    is_skipped       boolean not null default false,
    superseded_by    uuid,
    body             bytea not null,     -- the request's JSON as it came
    request_hash     bytea,              -- cleared after 24 h, with idempotency_hash
    is_retry         boolean not null default false, -- a client's second try made it
    idempotency_hash bytea,
    primary key (project_id, id)
);
create index conversation_created on conversation (project_id, kind, created_at desc, id desc);
create index conversation_request on conversation (project_id, request_hash) where request_hash is not null;
create index conversation_hashed on conversation (created_at) where request_hash is not null;
create index conversation_idempotency on conversation (project_id, idempotency_hash)
    where idempotency_hash is not null;

-- A unique kind of key belongs to at most one conversation: its slot is the nil UUID. A key of kind
-- `trace` may belong to several: its slot is the conversation.
create table conversation_key (
    project_id      uuid not null,
    kind            smallint not null,
    value           bytea not null,
    slot            uuid not null,
    conversation_id uuid not null,
    created_at      timestamptz not null default now(),
    primary key (project_id, kind, value, slot)
);
create index conversation_key_holder on conversation_key (project_id, conversation_id);

create table trace (
    project_id    uuid not null,
    trace_id      bytea not null,
    day           date not null,          -- of the first commit; never changes
    is_skipped    boolean not null default false,
    skips_rooms   boolean not null default false, -- roark.skip stood on it: the rooms it names are skipped too
    first_seen_at timestamptz not null,
    last_seen_at  timestamptz not null,
    start_ns      bigint not null,        -- least start, greatest end
    end_ns        bigint not null,
    has_error     boolean not null,
    service       text,                   -- of the root, else of the first resource
    root_span_id  bytea,                  -- the span without parent by earliest (start, span id)
    root_start_ns bigint,
    root_end_ns   bigint,
    root_name     text,
    root_service  text,
    keys_dropped  integer not null default 0,
    spans_dropped bigint not null default 0, -- counted after the trace was skipped
    primary key (project_id, trace_id)
);
create index trace_start on trace (project_id, start_ns desc, trace_id);
create index trace_day on trace (day);
create index trace_changed on trace (last_seen_at);

create table trace_key (
    project_id uuid not null,
    kind       smallint not null,
    value      bytea not null,
    trace_id   bytea not null,
    is_skipping boolean not null default false, -- a livekit key of a trace with roark.skip flags its room
    created_at timestamptz not null default now(),
    primary key (project_id, kind, value, trace_id)
);
create index trace_key_trace on trace_key (project_id, trace_id);
create index trace_key_skipping on trace_key (project_id, kind, value) where is_skipping;
create index trace_key_created on trace_key (created_at);
create index conversation_key_created on conversation_key (created_at);

create table trace_tag (
    project_id uuid not null,
    key        bytea not null,
    value      bytea not null,
    trace_id   bytea not null,
    primary key (project_id, key, value, trace_id)
);
create index trace_tag_trace on trace_tag (project_id, trace_id);

-- All spans of one trace in one export: zstd of an OTLP TracesData message, spans byte for byte.
create table segment (
    project_id uuid not null,
    trace_id   bytea not null,
    day        date not null,
    hash       bytea not null,            -- XXH3-128 of the uncompressed bytes
    spans      integer not null,
    errors     integer not null,
    raw_bytes  integer not null,
    terms      bigint[] not null,         -- hashed search terms, proto/otlp/term.h
    body       bytea not null,
    primary key (project_id, trace_id, day, hash)
) partition by range (day);
alter table segment alter column body set storage external;

-- Day partitions are made ahead by the correlator through this function, which runs with its owner's rights.
create function segment_partition_make(wanted date) returns boolean
language plpgsql security definer set search_path from current as $$
declare
    name text := 'segment_' || to_char(wanted, 'YYYYMMDD');
begin
    if to_regclass(name) is not null then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtext('calltrace.segment_partition'));
    if to_regclass(name) is not null then
        return false;
    end if;
    execute format('create table %I partition of segment for values from (%L) to (%L)',
                   name, wanted, wanted + 1);
    execute format('create index %I on %I using gin (terms) with (gin_pending_list_limit = 65536)',
                   name || '_terms', name);
    return true;
end $$;

create table link (
    project_id      uuid not null,
    conversation_id uuid not null,
    trace_id        bytea not null,
    kind            smallint not null,
    value           bytea not null,
    linked_at       timestamptz not null default now(),
    primary key (project_id, conversation_id, trace_id, kind, value)
);
create index link_trace on link (project_id, trace_id);
create index link_time on link (project_id, linked_at desc);
create index link_linked on link using brin (linked_at); -- for the reconciler

-- The words of a project for suggestions and substring search.
create table word (
    project_id uuid not null,
    kind       smallint not null,
    key        bytea not null,
    value      bytea not null,
    seen_at    timestamptz not null default now(),
    primary key (project_id, kind, key, value)
);

create table reconcile_state (
    id          boolean primary key default true check (id),
    watermark   timestamptz not null,
    repaired    bigint not null default 0,
    finished_at timestamptz
);
insert into reconcile_state (watermark) values ('-infinity');
