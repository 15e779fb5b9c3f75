-- What the timeline and the list of calls need: when a segment came, and what a call's spans say all together.

-- A timeline asks for what came since it was read.
alter table segment add column seen_at timestamptz not null default now();

-- Read off the spans once a conversation's traces are quiet, so that a list never decodes segments.
create table conversation_tally (
    project_id      uuid not null,
    conversation_id uuid not null,
    seen_at         timestamptz not null, -- the newest span or link that was counted
    tallied_at      timestamptz not null,
    spans           integer not null,
    errors          integer not null,     -- spans with an error of their own
    turns           integer not null,     -- the opening is none
    answered        integer not null,     -- turns with a response time
    slowest_ns      bigint,               -- the longest of them
    slowest_turn    integer,
    primary key (project_id, conversation_id)
);

-- Up to where the correlators have looked for conversations to tally.
create table tally_state (
    id        boolean primary key default true check (id),
    watermark timestamptz not null
);
insert into tally_state (watermark) values ('-infinity');
