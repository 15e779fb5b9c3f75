-- What is older than it shall be goes: days of sealed segments at once, traces and calls by rows; and dictionaries end.

-- Drops the first day before `until` of which no trace is left; NULL: there is none. Readers are waited for 1 s.
create function segment_partition_drop(until date) returns date
language plpgsql security definer set search_path from current set lock_timeout = '1s' as $$
declare
    old record;
begin
    for old in
        select c.relname as name, to_date(substr(c.relname, 9), 'YYYYMMDD') as day
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'segment_sealed'::regclass order by 2
    loop
        exit when old.day >= until;
        if not exists (select 1 from trace where day = old.day) then
            execute format('drop table %I', old.name);
            return old.day;
        end if;
    end loop;
    return null;
end $$;

-- Kinds of words of which a project has so many that no more are kept; the correlator looks hourly.
create table word_full (
    project_id uuid not null,
    kind       smallint not null,
    primary key (project_id, kind)
);

-- Retention looks for what is old, whatever its project.
create index conversation_age on conversation using brin (created_at);
