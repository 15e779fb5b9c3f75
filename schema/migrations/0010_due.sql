-- Conversations whose spans are to be counted for the lists, and when to look at each. The counting correlator finds them
-- by what came in a moment ago, so that its work follows what comes and not what is stored.
create table conversation_due (
    project_id      uuid not null,
    conversation_id uuid not null,
    found_at        timestamptz not null default now(),
    due_at          timestamptz not null,
    primary key (project_id, conversation_id)
);
create index conversation_due_at on conversation_due (due_at);
create index segment_hot_seen on segment_hot (seen_at);
