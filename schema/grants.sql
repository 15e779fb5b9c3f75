-- What each role may do. Runs whole at the end of every migrate, so that it covers what a later migration makes.
--
--   calltrace_api         the api: reads
--   calltrace_correlator  the correlator: reads, and writes what a running system writes
--   calltrace_admin       the command line: projects, keys, secrets of integrations, and whatever it reads
--
-- Whoever runs migrate owns everything and is none of them. Roles belong to the whole server; they are made without
-- the right to log in, which `calltrace-api role login` gives. Partitions are reached through their table alone.
do $$
declare
    place text := current_schema();
    role text;
    name text;
    routine regprocedure;
begin
    foreach role in array array['calltrace_api', 'calltrace_correlator', 'calltrace_admin'] loop
        if not exists (select from pg_roles where rolname = role) then
            begin
                execute format('create role %I nologin', role);
            exception when duplicate_object or unique_violation then
                null; -- the migration of another database of this server was faster
            end;
        end if;
        execute format('grant usage on schema %I to %I', place, role);
    end loop;
    execute format('revoke create on schema %I from public', place); -- given by Postgres before 15

    for name in select c.relname from pg_class c where c.relnamespace = place::regnamespace
            and c.relkind in ('r', 'p') and not c.relispartition loop
        execute format('revoke all on %I.%I from calltrace_api, calltrace_correlator, calltrace_admin', place, name);
        execute format('grant select on %I.%I to calltrace_correlator, calltrace_admin', place, name);
        if name <> 'audit' then
            execute format('grant select on %I.%I to calltrace_api', place, name);
        end if;
        case
            when name = 'migration' then
                null;
            when name in ('project', 'livekit_key', 'vapi_credential', 'vapi_assistant') then
                execute format('grant insert, update, delete on %I.%I to calltrace_admin', place, name);
            when name = 'api_key' then -- revoked, never deleted
                execute format('grant insert, update on %I.%I to calltrace_correlator, calltrace_admin', place, name);
            when name = 'audit' then -- written once
                execute format('grant insert on %I.%I to calltrace_correlator, calltrace_admin', place, name);
            else
                execute format('grant insert, update, delete on %I.%I to calltrace_correlator', place, name);
        end case;
    end loop;

    -- A function that runs with the owner's rights is the correlator's.
    for routine in select p.oid from pg_proc p where p.pronamespace = place::regnamespace and p.prosecdef loop
        execute format('revoke execute on function %s from public, calltrace_api, calltrace_admin', routine);
        execute format('grant execute on function %s to calltrace_correlator', routine);
    end loop;
end $$;
