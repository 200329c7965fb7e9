-- transforms: what they show, and that nothing makes them raise
set datestyle = iso;
select niji.year(d), niji.month(d)
  from unnest(array['2026-11-22', '2026-01-01', '2024-02-29', '0001-05-06 BC', '5874897-12-31', 'infinity', '-infinity', null]::date[]) d;
select niji.year(t), niji.month(t)
  from unnest(array['2026-12-31 23:59:59.999999', '294276-12-31 23:59:59', 'infinity', '-infinity', null]::timestamp[]) t;
-- in niji.timezone, whatever the session's is: this is the first of January in Tokyo
set timezone = 'America/Los_Angeles';
select niji.year(t), niji.month(t) from unnest(array['2025-12-31 15:00+00', '2025-12-31 14:59+00', 'infinity', null]::timestamptz[]) t;
reset timezone;
select v, niji.band(v, 5) as five, niji.band(v, 1) as one, niji.band(v, 2147483647) as most
  from unnest(array[0, 4, 5, -1, -5, -6, 2147483647, -2147483647, -2147483648, null]) v;
select niji.band(7, 0) as zero, niji.band(7, -5) as negative, niji.band(7, null) as none;
select v, niji.prefecture(v)
  from unnest(array['0110113719', '4712345678', '4812345678', '0012345678', '06132013', '132013', '13', '00', '48', '1', '', '13201', '北海道', '１３', 'ab', '13x0113719', null]) v;
