"""Events of 30 days as a web site has them, made by the engine itself and inserted through every view.

Sessions    of 1, 5 and 34 events, 20 seconds apart, begun at any time: 10 million events are 750,000 sessions of
            300,000 devices, a tenth of which have a user. A device keeps its country, browser and system
Pages       a page view and what happens on it: 400 paths, the first as frequent as the next ten, and a long tail of
            20,000 more; a referrer where the session begins
Types       a third pages, a twentieth performance measures, else tracks of 40 names
"""

from datetime import UTC, datetime, timedelta

DAYS = 30
CHUNK = 1_000_000
GENERATE = """
insert into events (project, at, event_id, batch_id, type, name, session_id, session_started,
    device_id, user_id, privacy, sample_rate, timestamp, received_at, url, host, path, title,
    referrer_host, utm_source, country, browser, os, device_type, library_name,
    properties, user_properties, context, retention)
select
    'together', started + toIntervalSecond(20 * step) as at, generateUUIDv4(), generateUUIDv4(number),
    multiIf(step % 3 = 0, 'page', dice % 13 = 0, 'performance', 'track') as type,
    multiIf(type = 'page', title, type = 'performance', ['LCP', 'INP', 'CLS', 'FCP', 'TTFB'][dice % 5 + 1],
        concat('step ', toString(dice % 40))),
    concat('session-', lower(hex(intHash64(session)))), started, concat('device-', lower(hex(intHash64(device)))),
    if(device % 10 = 0, concat('user-', toString(device)), ''), 'balanced', 1, toString(started), started,
    concat('https://example.com', path), 'example.com', path, concat('Page ', path) as title,
    if(step = 0, ['', '', 'search.example', 'news.example', concat('site-', toString(visit_dice % 200), '.example')]
        [visit_dice % 5 + 1], ''),
    if(step = 0 and visit_dice % 7 = 0, ['newsletter', 'spring', 'partner'][visit_dice % 3 + 1], ''),
    ['US', 'DE', 'FR', 'GB', 'JP', 'BR', 'IN', 'ES', 'IT', 'NL', 'PL', 'SE', 'KR', 'MX', 'CA', 'AU']
        [toUInt8(pow(16, device_dice % 1000 / 1000)) % 17],
    ['Chrome', 'Safari', 'Firefox', 'Edge'][toUInt8(pow(4, device_dice % 997 / 997)) % 5],
    ['Windows', 'iOS', 'Android', 'macOS', 'Linux'][device_dice % 5 + 1],
    ['desktop', 'mobile'][device_dice % 2 + 1], 'bench',
    if(type = 'performance', concat('{{"value":', toString(round(exp(4 + (dice % 4001) / 1000), 1)), '}}'),
        concat('{{"price":', toString(dice % 1000), ',"plan":"', ['free', 'pro'][dice % 2 + 1], '"}}')),
    '{{}}', '{{}}', 395
from
(
    select
        number, intHash32(number) as dice, number % 40 as place,
        intDiv(number, 40) * 3 + (place >= 1) + (place >= 6) as session,
        place - multiIf(place >= 6, 6, place >= 1, 1, 0) as step, intHash32(session * 5) as visit_dice,
        intHash64(session) % {devices} as device, intHash32(device * 3) as device_dice,
        toDateTime64('{start} 00:00:00', 3, 'UTC') + toIntervalSecond(intHash32(session * 7) % {seconds}) as started,
        intHash32(session * 64 + intDiv(step, 3)) as page_dice,
        if(page_dice % 25 = 0, concat('/archive/', toString(intDiv(page_dice, 25) % 20000)),
            concat('/articles/', toString(toUInt32(pow(400, page_dice % 10007 / 10007))))) as path
    from numbers({first}, {count})
)
"""


def days() -> tuple[str, str]:
    """Return the range of the generated events: 30 whole days and the one in which the last sessions end."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return f"{today - timedelta(days=DAYS + 1):%F}", f"{today:%F}"


def statements(first: int, events: int) -> list[str]:
    """Return inserts of the events from `first` on until there are so many."""
    names = {"devices": max(1, events * 3 // 100), "seconds": DAYS * 86400, "start": days()[0]}
    return [
        GENERATE.format(**names, first=start, count=min(CHUNK, events - start)) for start in range(first, events, CHUNK)
    ]
