-- The explorer: a trace is found by each of its services, and traces with errors without walking the others.

-- A service stands among the tags under an empty key, which no tag of a client has.
insert into trace_tag (project_id, key, value, trace_id)
    select project_id, ''::bytea, convert_to(service, 'UTF8'), trace_id from trace where service is not null
    on conflict do nothing;

create index trace_error on trace (project_id, start_ns desc, trace_id) where has_error;
create index conversation_listed on conversation (project_id, created_at desc, id desc);
