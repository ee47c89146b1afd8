import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../src/db/connect.ts'
import type { Connection, Database } from '../../src/db/database.ts'
import { connectEmbedded } from '../../src/embedded/index.ts'
import { activateKillSwitch, beginKillSwitchRecovery } from '../../src/risk/kill-switch.ts'
import { recordCashFlow, recordOrder } from '../../src/trading/index.ts'
import { createDatabase, describeEngines } from '../database.ts'
import { temporaryFolder } from '../embedded/programs.ts'
import { query } from '../trading/ledger-fixture.ts'
import { NOW, plus } from './closures.ts'
import {
  ask,
  changeTrip,
  codesOf,
  EXCHANGE,
  endLock,
  fresh,
  limit,
  makeTrader,
  openMarket,
  rolledBack,
  storeLock,
  storeTrip,
  trade,
} from './gate-fixture.ts'

type Answer = Awaited<ReturnType<typeof ask>>

const CENTURY_MS = 3_155_760_000_000

/** When something begins, and for how many milliseconds it holds. */
const SPANS: [string, number][] = [
  ['2026-03-01T12:00:00.000Z', 1],
  ['2026-03-01T12:00:00.001Z', 1_000],
  ['2026-03-01T12:00:00.999Z', 1],
  ['2026-03-01T12:00:00.999Z', 999],
  ['2026-03-01T12:00:00.123Z', 9_000_000],
  ['2026-03-01T12:00:00.123Z', 2_147_483_648],
  // The clocks of New York, Berlin and Sydney change within.
  ['2026-03-08T06:59:59.999Z', 1],
  ['2026-03-08T06:30:00.001Z', 3_600_000],
  ['2026-03-28T23:00:00.007Z', 86_400_000],
  ['2026-10-24T23:00:00.007Z', 86_400_000],
  ['2026-10-25T00:59:59.999Z', 3_600_002],
  ['2028-02-28T23:59:59.999Z', 86_400_001],
  ['1969-12-31T23:59:59.999Z', 1],
  ['1969-12-31T23:59:59.001Z', 1_997],
  ['1901-12-13T20:45:51.999Z', 31_536_000_001],
  ['0001-01-01T00:00:00.001Z', 86_399_999],
  ['2026-03-01T12:00:00.500Z', CENTURY_MS],
  ['9899-12-30T23:59:59.999Z', CENTURY_MS],
]

type Keep = (db: Database, botId: string | null, at: Date, ms: number) => Promise<() => Promise<void>>

const KINDS: [string, Keep][] = [
  [
    'trip',
    async (db, botId, at, cooldownMs) => {
      const id = await storeTrip(db, { botId, at, cooldownMs })
      return async () => await changeTrip(db, botId, id, { status: 'expired' })
    },
  ],
  [
    'lock',
    async (db, botId, at, ms) => {
      const id = await storeLock(db, { botId, at, until: plus(ms, at) })
      return async () => await endLock(db, botId, id)
    },
  ],
]

describeEngines(
  'the time of a block',
  (open) => {
    let db: Connection
    beforeAll(async () => {
      db = await open()
      await openMarket(db, 'BTC')
    })

    describe.each(KINDS)('of a %s', (_, keep) => {
      it.each(['the bot', 'the fleet'])('of %s is over at exactly its end', async (whose) => {
        const botId = await makeTrader(db)
        for (const [start, ms] of SPANS) {
          const at = new Date(start)
          const until = plus(ms, at)
          const end = await keep(db, whose === 'the bot' ? botId : null, at, ms)
          const before = await ask(db, { botId, now: plus(-1, until) })
          expect([start, ms, before.allowed, before.blocks.length]).toEqual([start, ms, false, 1])
          expect(before.blocks[0]).toMatchObject({ since: at, until })
          expect([start, ms, (await ask(db, { botId, now: until })).allowed]).toEqual([start, ms, true])
          await end()
        }
      })
    })

    it('does not move with the time zone of who asks', async () => {
      const botId = await makeTrader(db)
      for (const zone of ['America/New_York', 'Europe/Berlin', 'Australia/Lord_Howe', 'Asia/Kathmandu']) {
        await rolledBack(db, async (tx) => {
          await query(tx, sql`select set_config('TimeZone', ${zone}, true)`)
          for (const start of [
            '2026-03-07T12:00:00.001Z',
            '2026-10-24T23:00:00.999Z',
            '2026-04-04T12:00:00.001Z',
          ]) {
            const at = new Date(start)
            const id = await storeTrip(tx, { botId, at, cooldownMs: 172_800_001 })
            const until = plus(172_800_001, at)
            expect((await ask(tx, { botId, now: plus(-1, until) })).blocks).toMatchObject([
              { since: at, until },
            ])
            expect((await ask(tx, { botId, now: until })).allowed).toBe(true)
            await changeTrip(tx, botId, id, { status: 'resolved' })
          }
        })
      }
    })

    it('never comes for a trip without a cooldown, or a lock without an end', async () => {
      const botId = await makeTrader(db)
      await storeTrip(db, { botId, at: NOW, cooldownMs: null })
      await storeLock(db, { botId, at: NOW, until: null })
      for (const now of [NOW, plus(CENTURY_MS), new Date('9999-12-31T23:59:59.999Z')]) {
        expect((await ask(db, { botId, now })).blocks).toMatchObject([
          { code: 'circuit_breaker', until: null },
          { code: 'lock', until: null },
        ])
      }
    })

    it('is past for a cooldown of nothing, and allows nothing while it is later than any date', async () => {
      const botId = await makeTrader(db)
      const none = await storeTrip(db, { botId, at: NOW, cooldownMs: 0 })
      expect((await ask(db, { botId, now: NOW })).allowed).toBe(true)
      expect((await ask(db, { botId, now: plus(-1) })).allowed).toBe(false)
      await changeTrip(db, botId, none, { status: 'resolved' })
      await storeTrip(db, { botId, at: new Date('9990-01-01T00:00:00.000Z'), cooldownMs: CENTURY_MS })
      const late = await ask(db, { botId, now: new Date('9999-12-31T23:59:59.999Z') })
      expect([late.allowed, late.state, late.blocks.length]).toEqual([false, 'reducing', 1])
    })

    it('follows a cooldown that is edited, longer, shorter, to none and back', async () => {
      const botId = await makeTrader(db)
      const id = await storeTrip(db, { botId, at: NOW, cooldownMs: 1_000 })
      for (const cooldownMs of [5_001, 1, null, 60_000, 0]) {
        await changeTrip(db, botId, id, { cooldownMs })
        const at = [plus(-1), NOW, plus(1), plus(5_000), plus(5_001), plus(59_999), plus(60_000)]
        const allowed = at.map(async (now) => (await ask(db, { botId, now })).allowed)
        const isOver = (now: Date) => cooldownMs !== null && now.getTime() >= NOW.getTime() + cooldownMs
        expect(await Promise.all(allowed)).toEqual(at.map(isOver))
      }
    })

    it('is the latest of several, whichever was tripped first', async () => {
      for (const cooldowns of [
        [10, 2_000, 300],
        [2_000, 10, 300],
        [300, 10, 2_000],
      ]) {
        const botId = await makeTrader(db)
        const ends: (() => Promise<void>)[] = []
        for (const [index, cooldownMs] of cooldowns.entries()) {
          const whose = index === 1 ? null : botId
          const id = await storeTrip(db, { botId: whose, at: NOW, cooldownMs })
          ends.push(async () => await changeTrip(db, whose, id, { status: 'overridden' }))
        }
        const at = [plus(9), plus(10), plus(299), plus(300), plus(1_999), plus(2_000)]
        const counts = at.map(async (now) => (await ask(db, { botId, now })).blocks.length)
        expect(await Promise.all(counts)).toEqual([3, 2, 2, 1, 1, 0])
        for (const end of ends) await end()
      }
    })

    it('of an order is a minute after it was made, and of the rate when enough have gone', async () => {
      const botId = await makeTrader(db)
      await limit(db, botId, { maxOrdersPerMinute: 2 })
      for (const ago of [59_999, 30_000, 1]) await makeOrder(db, botId, plus(-ago))
      const asked = [plus(0), plus(1), plus(29_999), plus(30_000)]
      const found = await Promise.all(asked.map(async (now) => (await ask(db, { botId, now })).blocks))
      expect(found.map(([block]) => block?.until ?? null)).toEqual([
        plus(30_000),
        plus(30_000),
        plus(30_000),
        null,
      ])
    })

    it('of a heartbeat is past the tolerance, not at it', async () => {
      const botId = await makeTrader(db, { heartbeatToleranceMs: 1_500 })
      await query(
        db,
        sql`update fleet.bots set last_heartbeat_at = ${NOW.toISOString()}::timestamptz where bot_id = ${botId}`,
      )
      const allowed = [0, 1_500, 1_501].map(async (ms) => (await ask(db, { botId, now: plus(ms) })).allowed)
      expect(await Promise.all(allowed)).toEqual([true, true, false])
    })

    describe('of a day', () => {
      // The days on which the clocks change are of 23 and 25 hours. In Beirut there is no midnight on the first of them.
      const days: [string, string, string][] = [
        ['UTC', '2026-03-01T00:00:00.000Z', '2026-03-02T00:00:00.000Z'],
        ['America/New_York', '2026-03-08T05:00:00.000Z', '2026-03-09T04:00:00.000Z'],
        ['America/New_York', '2026-11-01T04:00:00.000Z', '2026-11-02T05:00:00.000Z'],
        ['Europe/Berlin', '2026-03-28T23:00:00.000Z', '2026-03-29T22:00:00.000Z'],
        ['Asia/Beirut', '2026-03-28T22:00:00.000Z', '2026-03-29T21:00:00.000Z'],
        ['Australia/Lord_Howe', '2026-04-04T13:00:00.000Z', '2026-04-05T13:30:00.000Z'],
        ['Asia/Kathmandu', '2026-03-01T18:15:00.000Z', '2026-03-02T18:15:00.000Z'],
      ]
      it.each(days)('in %s from %s a loss counts until %s', async (timeZone, from, to) => {
        const [start, end] = [new Date(from), new Date(to)]
        /** Whether a bot that lost 10 then is closed at the first and the last moment of the day, and at the first of the next one. */
        const closedAfterLossAt = async (at: Date) => {
          const botId = await makeTrader(db, { timeZone })
          await limit(db, botId, { maxDailyLoss: '10' })
          await trade(db, botId, 'BTC', 'buy 1 @ 100', plus(-90_000_000, start))
          await trade(db, botId, 'BTC', 'sell 1 @ 90', at)
          const answers = [start, plus(-1, end), end].map(async (now) => await ask(db, { botId, now }))
          const [first, last, next] = (await Promise.all(answers)) as [Answer, Answer, Answer]
          for (const { blocks } of [first, last]) {
            if (blocks.length > 0)
              expect(blocks).toMatchObject([{ code: 'daily_loss', since: start, until: end }])
          }
          return [first.allowed, last.allowed, next.allowed]
        }
        expect(await closedAfterLossAt(plus(-1, start))).toEqual([true, true, true])
        expect(await closedAfterLossAt(start)).toEqual([false, false, true])
        expect((await closedAfterLossAt(plus(-1, end))).slice(1)).toEqual([false, true])
        expect((await closedAfterLossAt(end)).slice(1)).toEqual([true, false])
      })
    })

    it('of the loss of a day counts every cent of it, and nothing that is none', async () => {
      const tiny = '0.000000000000000000000000000001'
      const lossOf = async (
        price: string,
        fee: string,
        funding: string,
        more: readonly [string, string][] = [],
      ) => {
        const botId = await makeTrader(db)
        await limit(db, botId, { maxDailyLoss: '100' })
        await trade(db, botId, 'BTC', 'buy 1 @ 1000', plus(-2_000), { fee: '0' })
        await flow(db, botId, 'funding', funding, plus(-1_500))
        for (const [kind, amount] of more) await flow(db, botId, kind, amount, plus(-1_200))
        await trade(db, botId, 'BTC', `sell 1 @ ${price}`, plus(-1_000), { fee })
        const { allowed, blocks } = await ask(db, { botId, now: NOW })
        return allowed || blocks[0]?.actual?.toFixed()
      }
      expect(await lossOf('900', '0', '0')).toBe('100')
      expect(await lossOf(`900${tiny.slice(1)}`, '0', '0')).toBe(true)
      expect(await lossOf('910', '6', '-4')).toBe('100')
      expect(await lossOf('910', '6', `-3.${'9'.repeat(30)}`)).toBe(true)
      expect(await lossOf('890', '-5', '5')).toBe('100')
      expect(
        await lossOf('910', '0', '0', [
          ['interest', '-4'],
          ['fee', '-3'],
          ['rebate', '1'],
          ['adjustment', '-4'],
        ]),
      ).toBe('100')
      expect(
        await lossOf('910', '0', '0', [
          ['deposit', '500'],
          ['withdrawal', '-600'],
          ['transfer', '-70'],
        ]),
      ).toBe(true)
      expect(await lossOf('900', '0', '0', [['deposit', '500']])).toBe('100')
    })
  },
  ['postgres', 'pglite'],
)

async function makeOrder(db: Database, botId: string, at: Date): Promise<void> {
  await recordOrder(db, {
    ...{ botId, exchange: EXCHANGE, symbol: 'BTC', side: 'buy', type: 'limit' },
    ...{ quantity: '1', limitPrice: '1', clientOrderId: fresh('order'), createdAt: at },
  })
}

async function flow(db: Database, botId: string, kind: string, amount: string, at: Date): Promise<void> {
  if (amount === '0') return
  await recordCashFlow(db, {
    ...{ botId, exchange: EXCHANGE, kind: kind as 'fee', amount, currency: 'USD', occurredAt: at },
    ...(kind === 'funding' ? { symbol: 'BTC' } : {}),
  })
}

describe('a restart', () => {
  const close = async (db: Database) => {
    await openMarket(db, 'BTC')
    const botId = await makeTrader(db)
    await storeTrip(db, { botId, at: NOW, cooldownMs: 60_000 })
    await storeLock(db, { botId: null, at: NOW, until: null, symbol: 'BTC' })
    const { event } = await activateKillSwitch(db, { activatedBy: 'operator', reason: 'test' })
    await beginKillSwitchRecovery(db, { eventId: event.id, by: 'operator', notes: 'test' })
    return { botId, symbol: 'BTC', now: plus(59_999) }
  }
  const codes = ['circuit_breaker', 'kill_switch', 'lock']

  it('changes nothing of what holds on a server', async () => {
    const server = await createDatabase()
    onTestFinished(() => server.close())
    const question = await close(server.db)
    const before = await ask(server.db, question)
    expect(codesOf(before)).toEqual(codes)
    const again = await connect({ url: server.url, directUrl: server.directUrl, driver: 'pg' })
    onTestFinished(() => again.close())
    expect(await ask(again, question)).toEqual(before)
  })

  it('changes nothing of what holds in a directory', async () => {
    const directory = join(await temporaryFolder(), 'data')
    const first = await connectEmbedded({ directory, migrate: true })
    const question = await close(first)
    const before = await ask(first, question)
    expect(codesOf(before)).toEqual(codes)
    await first.close()
    const second = await connectEmbedded({ directory })
    onTestFinished(() => second.close())
    expect(await ask(second, question)).toEqual(before)
  })
})
