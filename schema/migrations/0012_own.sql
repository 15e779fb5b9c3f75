-- A trace's own id is a key of it (kind 6, `trace`). Table trace has it by its primary key, so that trace_key need not say
-- it again; what says it there came from older versions and goes with its trace.

-- The trace whose own id a value is; NULL: no trace can have it.
create function calltrace_trace_named(value bytea) returns bytea language sql immutable parallel safe as
    $$ select case when octet_length(value) = 32 and translate(encode(value, 'escape'), '0123456789abcdef', '') = ''
              then decode(encode(value, 'escape'), 'hex') end $$;

-- A correlator of an older version looks for kind 6 in trace_key alone. When it stores a chat that names a trace, the row
-- is made here. The lock waits for the traces in flight: none of them can have seen the chat, and each that comes later
-- will. Those who read trace themselves say so by the setting.
create function trace_key_for_older() returns trigger language plpgsql set search_path from current as $$
begin
    lock table trace in share mode;
    insert into trace_key (project_id, kind, value, trace_id)
        select t.project_id, new.kind, new.value, t.trace_id from trace t
        where t.project_id = new.project_id and t.trace_id = calltrace_trace_named(new.value)
        on conflict do nothing;
    return null;
end $$;
create trigger trace_key_for_older after insert on conversation_key for each row
    when (new.kind = 6 and current_setting('calltrace.reads_trace', true) is distinct from 'on')
    execute function trace_key_for_older();
