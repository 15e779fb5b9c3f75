-- The last export that was refused though its key was valid, for whoever sets an exporter up.

alter table api_key
    add column refused_at     timestamptz,
    add column refused_status integer,
    add column refused_path   text,
    add column refused_text   text;
