-- May run any number of times.
create table if not exists orders (
  id bigint generated always as identity primary key,
  what text not null,
  ordered_at timestamptz not null default now(),
  packed_at timestamptz,
  -- Which start of the worker packed it: its DARUMA_EPOCH.
  packed_by bigint
);
create index if not exists orders_to_pack on orders (id) where packed_at is null;

-- The newest worker there has been. An older one that was only slow finds here that it is one.
create table if not exists newest_worker (epoch bigint not null);
insert into newest_worker select 0 where not exists (select from newest_worker);
