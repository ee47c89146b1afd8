import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { createStopOrder } from '../../src/risk/stop-orders.ts'
import { createDatabase } from '../database.ts'
import { Child } from './children.ts'
import { EXCHANGE, prepareBot } from './ledger-feed.ts'
import type { StopJob, StopNews, StopReport } from './stop-trigger.ts'

/** Rounds; more of them for a soak. */
const ROUNDS = Number(process.env.TEST_RACE_ROUNDS ?? '1')
const PROCESSES = 8
const STOPS = 200
const [BOT, SYMBOL] = ['racer', 'BTC-USDT']

/** What one of the processes is to do: every price, and two of them adjust by hand where it is said. */
function jobOf(place: number, url: string, prices: readonly string[], adjusts: boolean): StopJob {
  const driver = place % 2 ? 'pg' : 'postgres'
  return {
    url,
    driver,
    botId: BOT,
    exchange: EXCHANGE,
    symbol: SYMBOL,
    prices,
    adjusts: adjusts && place < 2,
  }
}

/** Lets processes begin that have their jobs. */
async function race(showers: readonly Child<StopJob, StopNews>[]) {
  for (const shower of showers) expect(await shower.next()).toBe('ready')
  for (const shower of showers) shower.send('begin')
  const reports = await Promise.all(showers.map((shower) => shower.next() as Promise<StopReport>))
  expect(reports.flatMap(({ errors }) => errors)).toEqual([])
  const fired = reports.flatMap((report) => report.fired.flat())
  const adjusted = reports.reduce((total, report) => total + report.adjusted, 0)
  return { fired, adjusted, firing: reports.filter((report) => report.fired.length > 0).length }
}

async function makeStops(db: Connection): Promise<string[]> {
  const common = { botId: BOT, exchange: EXCHANGE, symbol: SYMBOL, entryPrice: '100', createdBy: BOT }
  const made = await Promise.all(
    Array.from({ length: STOPS }, (_, n) =>
      n % 2
        ? createStopOrder(db, { ...common, direction: 'long', kind: 'fixed', stopPrice: `${90 + (n % 9)}` })
        : createStopOrder(db, { ...common, direction: 'long', kind: 'trailing', distance: `${1 + (n % 9)}` }),
    ),
  )
  return made.map(({ id }) => id).sort()
}

/** Up in small steps that reach nothing, and down again until everything is reached. */
const PATH = [
  ...Array.from({ length: 30 }, (_, n) => `${100 + Math.floor(n / 2)}.${n % 2 ? '1' : '9'}`),
  ...['113', '110', '109', '108', '107', '106', '104', '99', '97', '96', '94', '93', '92', '90', '85'],
]

test.each(Array.from({ length: ROUNDS }, (_, round) => round + 1))(
  'eight processes fire each stop once: at one price, and at prices that go up and down with hands between them (round %i)',
  async () => {
    await using shared = await createDatabase({ poolSize: 8 })
    const { db } = shared
    await prepareBot(db, BOT, [SYMBOL])
    const ids = await makeStops(db)
    const showers = Array.from(
      { length: PROCESSES },
      (_, place) => new Child<StopJob, StopNews>('stop-trigger.ts', jobOf(place, shared.url, ['80'], false)),
    )
    const once = await race(showers)
    say(
      `one price: ${ids.length} stops, ${once.fired.length} fired by ${once.firing} of ${PROCESSES} processes`,
    )
    expect(once.fired.sort()).toEqual(ids)

    // Each change of a level is noted, to look at when all is over.
    await db.execute(sql`
      create table public.seen (n bigint generated always as identity, id uuid, stop numeric, best numeric)`)
    await db.execute(sql`
      create function public.see() returns trigger language plpgsql as $$
      begin
        insert into public.seen (id, stop, best) values (new.id, new.stop_price, new.best_price);
        return null;
      end $$`)
    await db.execute(sql`
      create trigger see after update on risk.stop_orders for each row execute function public.see()`)
    const more = await makeStops(db)
    for (const [place, shower] of showers.entries()) shower.send(jobOf(place, shared.url, PATH, true))
    const path = await race(showers)
    const [seen] = (await db.execute(sql`
      select count(*)::integer as changes,
        (count(*) filter (where stop < former or best < former_best))::integer as loosened
      from (
        select stop, best, lag(stop) over own as former, lag(best) over own as former_best
        from public.seen window own as (partition by id order by n)) x`)) as unknown as Seen[]
    say(
      `${PATH.length} prices: ${more.length} stops, ${path.fired.length} fired by ${path.firing} of ${PROCESSES} processes, ` +
        `${path.adjusted} adjusted by hand, ${seen?.changes} changes, ${seen?.loosened} loosened`,
    )
    expect(path.fired.sort()).toEqual(more)
    expect(seen?.loosened).toBe(0)
    // Or the race was none.
    expect(path.firing).toBeGreaterThan(1)
    expect(path.adjusted).toBeGreaterThan(0)
    const [written] = (await db.execute(sql`
      select count(*)::integer as n from audit.risk_events
      where details -> 'after' ->> 'status' = 'triggered'`)) as unknown as { n: number }[]
    expect(written?.n).toBe(2 * STOPS)
  },
)

interface Seen {
  readonly changes: number
  readonly loosened: number
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
