-- Calls that integrations tell of: their parts, and the secrets with which events are signed.

alter table conversation
    add column is_posted boolean not null default true, -- false: only integration events have made it
    add column has_parts boolean not null default false,
    add column posted_id uuid; -- the id of the POST that completed it: the same message twice is one POST
create index conversation_posted on conversation (project_id, posted_id) where posted_id is not null;

-- What is told of a call, one row a kind of part: proto/bus/call_parts.def. A posted call's own create is a part,
-- too, from its first event on. The conversation's columns are what its parts say, by rank.
create table conversation_part (
    project_id      uuid not null,
    conversation_id uuid not null,
    number          smallint not null,
    at              bigint not null,      -- ns, negative where the earliest stays: of two the greater (at, body) stays
    started_at      timestamptz,
    ended_at        timestamptz,
    status          smallint not null,
    direction       smallint not null,
    title           text,
    body            bytea not null,       -- a JSON object with fields of a create; empty: none
    primary key (project_id, conversation_id, number)
);
create index conversation_open on conversation (updated_at) where has_parts and status < 3;

-- Ends a transaction whose reading was overtaken: SQLSTATE class 40, so that it is tried again.
create function calltrace_again() returns void language plpgsql as $$
begin
    raise exception 'overtaken' using errcode = 'serialization_failure';
end $$;

-- The pages' sessions name a key by its id alone.
create index api_key_id on api_key (id);

-- Who changed keys and settings, and when.
create table audit (
    project_id uuid not null,
    at         timestamptz not null,
    id         bigint generated always as identity,
    by_key     uuid,                      -- null: the command line
    what       text not null,
    subject    uuid,
    detail     text,
    primary key (project_id, at, id)
);

-- Key pairs of LiveKit's webhooks. One pair may stand in several projects. The secret is sealed with the key
-- file of the installation, or stands in a file of its own.
create table livekit_key (
    project_id  uuid not null,
    api_key     text not null,
    secret      bytea,
    secret_file text,
    created_at  timestamptz not null default now(),
    primary key (project_id, api_key),
    check ((secret is null) <> (secret_file is null))
);
create index livekit_key_api_key on livekit_key (api_key);

-- Credentials with which VAPI signs its server messages (HMAC); bearers are ordinary API keys.
create table vapi_credential (
    project_id  uuid not null,
    id          uuid not null,
    name        text not null,
    secret      bytea,
    secret_file text,
    settings    text not null,            -- JSON: algorithm, headers, format, encoding
    created_at  timestamptz not null default now(),
    primary key (project_id, id),
    check ((secret is null) <> (secret_file is null))
);
create index vapi_credential_id on vapi_credential (id);

-- The assistants whose calls are taken from server messages; none: all of them.
create table vapi_assistant (
    project_id   uuid not null,
    assistant_id text not null,
    created_at   timestamptz not null default now(),
    primary key (project_id, assistant_id)
);
