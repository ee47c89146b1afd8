import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect } from '../../src/db/connect.ts'
import type { Connection, Database } from '../../src/db/database.ts'
import type { ListeningEvents, ListeningLink } from '../../src/db/engine.ts'
import { Listening } from '../../src/db/listen.ts'
import { openPgListener } from '../../src/db/listen-pg.ts'
import { openPostgresListener } from '../../src/db/listen-postgres.ts'
import { transaction } from '../../src/db/transaction.ts'
import { createDatabase, describeEngines } from '../database.ts'
import { startProxy } from './tcp-proxy.ts'

const notify = (db: Database, channel: string, payload: string) =>
  db.execute(sql`select pg_notify(${channel}, ${payload})`)

/** Keeps what it is told, in order. */
class Diary {
  readonly entries: string[] = []
  readonly on = {
    notified: (payload: string) => void this.entries.push(payload),
    ready: () => void this.entries.push('(ready)'),
    lost: () => void this.entries.push('(lost)'),
  }

  async reaches(count: number, withinMs = 5_000): Promise<readonly string[]> {
    await until(
      () => this.entries.length >= count,
      withinMs,
      () => this.entries.join(', '),
    )
    return this.entries
  }
}

async function until(
  holds: () => boolean | Promise<boolean>,
  withinMs = 5_000,
  explain: () => string = () => '',
): Promise<number> {
  const startedAt = performance.now()
  while (!(await holds())) {
    if (performance.now() - startedAt > withinMs) throw new Error(`not within ${withinMs} ms: ${explain()}`)
    await sleep(2)
  }
  return performance.now() - startedAt
}

describeEngines('a subscription', (open) => {
  test('is ready when it is returned, and tells what is sent on its channel, in order', async () => {
    const db = await open()
    const [mine, other] = [new Diary(), new Diary()]
    await using _ = await db.listen('tests_of_order', mine.on)
    await using __ = await db.listen('tests_of_another', other.on)
    expect([mine.entries, other.entries]).toEqual([['(ready)'], ['(ready)']])
    for (const payload of ['a', '', 'ключ 🔑']) await notify(db, 'tests_of_order', payload)
    expect(await mine.reaches(4)).toEqual(['(ready)', 'a', '', 'ключ 🔑'])
    expect(other.entries).toEqual(['(ready)'])
  })

  test('tells what a transaction sends once that has committed, and nothing of a failed one', async () => {
    const db = await open()
    const diary = new Diary()
    await using _ = await db.listen('tests_of_commits', diary.on)
    await transaction(db, async (tx) => {
      await notify(tx, 'tests_of_commits', 'undone')
      throw new Error('undo')
    }).catch(() => undefined)
    await transaction(db, async (tx) => {
      await notify(tx, 'tests_of_commits', 'kept')
      await sleep(20)
      expect(diary.entries).toEqual(['(ready)'])
    })
    expect(await diary.reaches(2)).toEqual(['(ready)', 'kept'])
  })

  test('tells nothing once it is closed, which may be repeated, while others of its channel go on', async () => {
    const db = await open()
    const [first, second] = [new Diary(), new Diary()]
    const closing = await db.listen('tests_of_closing', first.on)
    await using _ = await db.listen('tests_of_closing', second.on)
    expect(second.entries).toEqual(['(ready)'])
    await closing.close()
    await closing.close()
    await notify(db, 'tests_of_closing', 'late')
    expect(await second.reaches(2)).toEqual(['(ready)', 'late'])
    expect(first.entries).toEqual(['(ready)'])
  })

  test('tells nothing either when another closes it while the same notification is being told', async () => {
    const db = await open()
    const diary = new Diary()
    const closing: Promise<void>[] = []
    const close = () => void closing.push(victim.close())
    await using _ = await db.listen('tests_of_guile', { ...new Diary().on, notified: close })
    const victim = await db.listen('tests_of_guile', diary.on)
    await notify(db, 'tests_of_guile', 'late')
    await until(() => closing.length === 1)
    await Promise.all(closing)
    expect(diary.entries).toEqual(['(ready)'])
  })

  test('can be had again after the last was closed, also before that is over', async () => {
    const db = await open()
    const [first, second, third] = [new Diary(), new Diary(), new Diary()]
    const one = await db.listen('tests_again', first.on)
    const closing = one.close()
    const two = await db.listen('tests_again', second.on)
    await closing
    await notify(db, 'tests_again', 'second')
    expect(await second.reaches(2)).toEqual(['(ready)', 'second'])
    await two.close()
    await using _ = await db.listen('tests_again', third.on)
    await notify(db, 'tests_again', 'third')
    expect(await third.reaches(2)).toEqual(['(ready)', 'third'])
  })

  test('is not undone by a transaction that is rolled back while it begins', async () => {
    const db = await open()
    const diary = new Diary()
    let listening: ReturnType<Connection['listen']> | undefined
    await transaction(db, async () => {
      listening = db.listen('tests_of_undoing', diary.on)
      await sleep(30)
      throw new Error('undo')
    }).catch(() => undefined)
    await using _ = await listening
    await notify(db, 'tests_of_undoing', 'heard')
    expect(await diary.reaches(2)).toEqual(['(ready)', 'heard'])
  })

  test.each(['', 'Upper', 'two words', '1st', 'a"; drop table fills; --', 'a'.repeat(64)])(
    'refuses the channel %j',
    async (channel) => {
      const db = await open()
      await expect(db.listen(channel, new Diary().on)).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'channel',
      })
    },
  )

  test('ends with its handle, which is refused afterwards', async () => {
    const db = await open.fresh()
    const diary = new Diary()
    const subscription = await db.listen('tests_of_the_end', diary.on)
    await db.close()
    await subscription.close()
    expect(diary.entries).toEqual(['(ready)'])
    await expect(db.listen('tests_of_the_end', diary.on)).rejects.toMatchObject({ code: 'connection' })
  })
})

describe.each(['postgres', 'pg'] as const)('subscriptions on a server (%s)', (driver) => {
  let names = 0

  async function open() {
    const applicationName = `listener-${driver}-${names++}`
    const own = await createDatabase({ driver, applicationName })
    onTestFinished(() => own.close())
    const other = await connect({ url: own.directUrl, directUrl: own.directUrl, pooled: false })
    onTestFinished(() => other.close())
    /** Those of its connections that listen. */
    const listeners = async () =>
      (await other.execute(sql`select pid from pg_stat_activity where datname = current_database()
        and application_name = ${applicationName} and query like '%listen%'`)) as unknown as { pid: number }[]
    const killListeners = async () => {
      for (const { pid } of await listeners()) await other.execute(sql`select pg_terminate_backend(${pid})`)
    }
    return { ...own, other, listeners, killListeners }
  }

  test('hear what another handle sends, all over one connection, which goes with the last of them', async () => {
    const { db, other, listeners } = await open()
    const diaries = Array.from({ length: 20 }, () => new Diary())
    const subscriptions = await Promise.all(
      diaries.map((diary, n) => db.listen(`channel_${n % 4}`, diary.on)),
    )
    expect(await listeners()).toHaveLength(1)
    expect(db.pool.size).toBe(5)
    await notify(other, 'channel_1', 'hello')
    await diaries[17]?.reaches(2)
    const told = diaries.flatMap((diary, n) => (diary.entries.includes('hello') ? [n] : []))
    expect(told).toEqual([1, 5, 9, 13, 17])
    await Promise.all(subscriptions.slice(1).map((one) => one.close()))
    expect(await listeners()).toHaveLength(1)
    await subscriptions[0]?.close()
    await until(async () => (await listeners()).length === 0)
    await (await db.listen('channel_1', new Diary().on)).close()
    await until(async () => (await listeners()).length === 0)
  })

  test('are lost when their backend is killed, ready again at once, and hear again', async () => {
    const { db, other, listeners, killListeners } = await open()
    const [first, second] = [new Diary(), new Diary()]
    await using _ = await db.listen('first', first.on)
    await using __ = await db.listen('second', second.on)
    for (let round = 0; round < 3; round++) {
      await killListeners()
      await first.reaches(round * 3 + 3, 2_000)
      await second.reaches(round * 3 + 3, 2_000)
      await notify(other, 'first', `${round}`)
      await notify(other, 'second', `${round}`)
      await first.reaches(round * 3 + 4)
      await second.reaches(round * 3 + 4)
    }
    const each = ['(ready)', '(lost)', '(ready)', '0', '(lost)', '(ready)', '1', '(lost)', '(ready)', '2']
    expect([first.entries, second.entries]).toEqual([each, each])
    expect(await listeners()).toHaveLength(1)
  })

  test('pause longer and longer while their backend is killed again and again, and end at once even so', async () => {
    const { db, killListeners } = await open()
    const diary = new Diary()
    const subscription = await db.listen('unstable', diary.on)
    const startedAt = performance.now()
    while (performance.now() - startedAt < 2_500) {
      await killListeners()
      await sleep(5)
    }
    const losses = diary.entries.filter((entry) => entry === '(lost)').length
    // At once, then 0.1, 0.2, 0.4, 0.8 and 1.6 s at most, and half of that at least.
    expect(losses).toBeGreaterThan(3)
    expect(losses).toBeLessThan(9)
    const closedAt = performance.now()
    await subscription.close()
    expect(performance.now() - closedAt).toBeLessThan(1_500)
  })

  test('end with their handle, also on the server', async () => {
    const { db, listeners } = await open()
    await db.listen('channel', new Diary().on)
    await db.close()
    await until(async () => (await listeners()).length === 0)
  })

  test('are refused where a pooler is all that can be reached, with what to do', async () => {
    const { url } = await open()
    await using db = await connect({ url, directUrl: url, driver, pooled: true, skipSchemaCheck: true })
    await expect(db.listen('channel', new Diary().on)).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('DATABASE_DIRECT_URL'),
    })
  })

  test('go past a pooler where that is known', async () => {
    const { directUrl, other } = await open()
    // Nobody is there: whoever goes there fails.
    const url = 'postgres://nobody@127.0.0.1:1/nowhere'
    await using db = await connect({ url, directUrl, driver, pooled: true, skipSchemaCheck: true })
    const diary = new Diary()
    await using _ = await db.listen('channel', diary.on)
    await notify(other, 'channel', 'heard')
    expect(await diary.reaches(2)).toEqual(['(ready)', 'heard'])
  })

  test('of a server that is not there are tried again until it is, without a word', async () => {
    const { directUrl, other } = await open()
    await using proxy = await startProxy(directUrl)
    proxy.refuse()
    const warnings: unknown[] = []
    const logger = { debug: () => undefined, warn: (fields: object) => void warnings.push(fields) }
    const options = { url: proxy.url, directUrl: proxy.url, driver, skipSchemaCheck: true, logger }
    await using db = await connect(options)
    const diary = new Diary()
    await using _ = await db.listen('channel', diary.on)
    await until(() => warnings.length > 2)
    expect(diary.entries).toEqual([])
    expect(warnings[0]).toMatchObject({ statement: 'listen', outcome: 'connection' })
    proxy.pass()
    await diary.reaches(1)
    await notify(other, 'channel', 'heard')
    expect(await diary.reaches(2)).toEqual(['(ready)', 'heard'])
    proxy.refuse()
    await diary.reaches(3)
  })

  test('find out that the other end is silent, go on elsewhere, and leave no socket behind', async () => {
    const { directUrl, other } = await open()
    await using proxy = await startProxy(directUrl)
    const listening = new Listening({
      open: (events) => openListener(driver, proxy.url, events),
      heartbeatMs: 60,
      answerMs: 150,
      connectMs: 2_000,
      logger: undefined,
    })
    onTestFinished(() => listening.close())
    const diary = new Diary()
    await listening.subscribe('channel', diary.on)
    const before = proxy.socketsElsewhere()
    await sleep(300)
    expect(diary.entries).toEqual(['(ready)'])

    expect(proxy.socketsElsewhere()).toBe(before)
    proxy.fallSilent()
    await notify(other, 'channel', 'missed')
    expect(await diary.reaches(3, 1_000)).toEqual(['(ready)', '(lost)', '(ready)'])
    await notify(other, 'channel', 'heard')
    expect(await diary.reaches(4)).toEqual(['(ready)', '(lost)', '(ready)', 'heard'])
    expect(proxy.socketsElsewhere()).toBe(before)

    proxy.fallSilent()
    const closedAt = performance.now()
    await listening.close()
    expect(performance.now() - closedAt).toBeLessThan(1_500)
    await until(() => proxy.socketsElsewhere() === before - 1)
  })

  test('are not given up because this process is too busy to read the answer', async () => {
    const { directUrl } = await open()
    let asked = 0
    const listening = new Listening({
      open(events) {
        const link = openListener(driver, directUrl, events)
        const runScript = (text: string) => {
          if (text === 'select 1') asked += 1
          // Before its answer is here, and as a rule once it is sent.
          if (text === 'select 1') setImmediate(() => setImmediate(() => beBusy(200)))
          return link.runScript(text)
        }
        return { ...link, broken: false, runScript }
      },
      heartbeatMs: 20,
      answerMs: 80,
      connectMs: 5_000,
      logger: undefined,
    })
    onTestFinished(() => listening.close())
    const diary = new Diary()
    await listening.subscribe('channel', diary.on)
    await until(() => asked >= 8)
    expect(diary.entries).toEqual(['(ready)'])
  })

  test('can be closed while they connect to who never answers', async () => {
    const { directUrl } = await open()
    await using proxy = await startProxy(directUrl)
    proxy.keepSilent()
    const before = proxy.socketsElsewhere()
    const { url } = proxy
    const db = await connect({ url, directUrl: url, driver, skipSchemaCheck: true })
    const diary = new Diary()
    const listening = db.listen('channel', diary.on)
    await until(() => proxy.socketsElsewhere() === before + 1)
    await sleep(50)
    const closedAt = performance.now()
    await db.close()
    await (await listening).close()
    expect(performance.now() - closedAt).toBeLessThan(1_500)
    expect(diary.entries).toEqual([])
    await until(() => proxy.socketsElsewhere() === before)
  })
})

function openListener(driver: 'postgres' | 'pg', url: string, events: ListeningEvents): ListeningLink {
  if (driver === 'pg') {
    return openPgListener((own) => new pg.Client({ connectionString: url, ...own }), events)
  }
  const options = { pooled: false, connectTimeoutMs: 5_000, statementTimeoutMs: 0, session: {} }
  return openPostgresListener({ ...options, url, onNotice: () => undefined }, events)
}

function beBusy(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}
