-- What a role that owns nothing cannot do itself, done with the owner's rights. Who may call it: schema/grants.sql.

-- Empties the pending list of the terms' index, which only the index's owner may.
create function segment_terms_clean() returns bigint
language sql security definer set search_path from current as $$
    select gin_clean_pending_list('segment_hot_terms')
$$;
