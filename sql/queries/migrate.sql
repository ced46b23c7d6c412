-- Migrations: what was applied, and with which content.

-- name: migrate_schema
create schema if not exists dapur_meta;

-- name: migrate_table
create table if not exists dapur_meta.migration (
    name text primary key, hash text not null, applied_at timestamptz not null default now());

-- name: migrate_lock
-- One migration at a time, until the end of the transaction.
select pg_advisory_xact_lock(hashtextextended('dapur migrate', 0));

-- name: migrate_find
-- in: $1 file name
-- out: hash of the content that was applied; no row: not yet
select hash from dapur_meta.migration where name = $1;

-- name: migrate_note
-- in: $1 file name, $2 hash
insert into dapur_meta.migration (name, hash) values ($1, $2);
