-- Sealing: a quiet trace's segments become one, in the background. What comes in stands in one table, which stays as
-- small as what is not sealed yet, so that its indexes stay in memory however much is stored; what is sealed stands
-- apart, by day, is written once and dropped whole.

alter table segment drop constraint segment_pkey;
alter table segment rename to segment_sealed;
alter table segment_sealed add column is_sealed boolean not null default true;

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
    seen_at    timestamptz not null default now(), -- of a sealed one: of the last that went into it
    is_sealed  boolean not null default false,
    primary key (project_id, trace_id, day, hash, is_sealed)
) partition by list (is_sealed);
alter table segment alter column body set storage external;
create table segment_hot partition of segment for values in (false);
create index segment_hot_terms on segment_hot using gin (terms) with (gin_pending_list_limit = 65536);
alter table segment attach partition segment_sealed for values in (true);

-- Half of what stands there is dead after each turn of the sealer: vacuum often and at full speed, so that the table
-- stays small.
alter table segment_hot set (
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.1,
    toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_cost_delay = 0);
-- One row a trace, changed by each of its exports and by sealing: a fifth of a large table is too late.
alter table trace set (autovacuum_vacuum_scale_factor = 0.1);

alter table trace
    add column is_sealed boolean not null default false, -- nothing came since its segments were last sealed
    add column sealed_spans integer,      -- exact, while it is sealed as one segment
    add column sealed_errors integer;
create index trace_unsealed on trace (first_seen_at) where not is_sealed and not is_skipped;

-- The sealer is the only one who writes there, and pays for the pending list itself: it is short, nobody else cleans it.
create or replace function segment_partition_make(wanted date) returns boolean
language plpgsql security definer set search_path from current as $$
declare
    name text := 'segment_' || to_char(wanted, 'YYYYMMDD');
begin
    if to_regclass(name) is not null then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtext('calltrace.segment_partition'));
    execute format('create table %I partition of segment_sealed for values from (%L) to (%L)',
                   name, wanted, wanted + 1);
    execute format('create index %I on %I using gin (terms) with (gin_pending_list_limit = 1024)',
                   name || '_terms', name);
    return true;
exception when duplicate_table or unique_violation then -- a correlator that starts at the same moment was faster
    return false;
end $$;

do $$
declare
    old name;
begin
    for old in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
               where i.inhparent = 'segment_sealed'::regclass loop
        execute format('alter index %I set (gin_pending_list_limit = 1024)', old || '_terms');
    end loop;
end $$;

-- Gives the indexes of an emptied segment_hot back to the disk: after a burst they would stay as large as it was. A heap
-- without a page holds nothing that any snapshot could still see. False: not yet, try again later.
create function segment_hot_trim() returns boolean
language plpgsql security definer set search_path from current as $$
begin
    if pg_total_relation_size('segment_hot') < 16 * 1024 * 1024 then
        return true;
    end if;
    if pg_relation_size('segment_hot') > 0 then
        return false;
    end if;
    lock table segment_hot in access exclusive mode nowait;
    if pg_relation_size('segment_hot') > 0 then
        return false;
    end if;
    truncate table segment_hot;
    return true;
exception when lock_not_available then
    return false;
end $$;
