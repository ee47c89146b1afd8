import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ListeningEvents, ListeningLink } from '../../src/db/engine.ts'
import { Listening } from '../../src/db/listen.ts'

/** A connection to nothing, which can break. */
class FakeLink implements ListeningLink {
  readonly scripts: string[] = []
  readonly openedAt = performance.now()
  readonly events: ListeningEvents
  readonly #answer: (text: string) => Promise<string>
  broken = false
  isAbandoned = false

  constructor(events: ListeningEvents, answer: (text: string) => Promise<string>) {
    this.events = events
    this.#answer = answer
  }
  runScript(text: string) {
    this.scripts.push(text)
    return this.#answer(text)
  }
  async close() {
    this.broken = true
  }
  abandon() {
    this.isAbandoned = true
  }
  lose() {
    this.broken = true
    this.events.lost()
  }
}

const SILENT = { notified: () => undefined, ready: () => undefined, lost: () => undefined }
const HEARTBEAT_MS = 15_000
const ANSWER_MS = 5_000

describe('the connection of all subscriptions', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  function make(answer: (text: string) => Promise<string> = async () => 'LISTEN') {
    const links: FakeLink[] = []
    const connection = { answer }
    const listening = new Listening({
      open(events) {
        links.push(new FakeLink(events, (text) => connection.answer(text)))
        return links.at(-1) as FakeLink
      },
      heartbeatMs: HEARTBEAT_MS,
      answerMs: ANSWER_MS,
      connectMs: 10_000,
      logger: undefined,
    })
    return { listening, links, connection }
  }

  test('is made anew at once when it is lost, and then after pauses that grow and end at five seconds', async () => {
    const { listening, links, connection } = make()
    await listening.subscribe('channel', SILENT)
    await vi.advanceTimersByTimeAsync(60_000)
    connection.answer = () => Promise.reject(new Error('refused'))
    const lostAt = performance.now()
    links[0]?.lose()
    await vi.advanceTimersByTimeAsync(60_000)
    const times = [lostAt, ...links.slice(1).map((link) => link.openedAt)]
    const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0))
    expect(gaps[0]).toBe(0)
    for (const [i, longest] of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000].entries()) {
      expect(gaps[i + 1]).toBeGreaterThanOrEqual(longest / 2)
      expect(gaps[i + 1]).toBeLessThanOrEqual(longest + 1)
    }
    expect(links.slice(0, -1).every((link) => link.isAbandoned)).toBe(true)

    connection.answer = async () => 'LISTEN'
    await vi.advanceTimersByTimeAsync(10_000)
    const steady = links.length
    links.at(-1)?.lose()
    await vi.advanceTimersByTimeAsync(0)
    expect(links.length).toBe(steady + 1)
    // One that did not live long is an attempt that failed.
    links.at(-1)?.lose()
    await vi.advanceTimersByTimeAsync(49)
    expect(links.length).toBe(steady + 1)
    await listening.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is asked whether it lives, and given up when no answer comes in time', async () => {
    const { listening, links, connection } = make()
    await listening.subscribe('channel', SILENT)
    await vi.advanceTimersByTimeAsync(2 * HEARTBEAT_MS)
    expect(links[0]?.scripts).toEqual(['listen "channel"', 'select 1', 'select 1'])
    connection.answer = () => new Promise(() => undefined)
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS + ANSWER_MS - 1)
    expect([links.length, links[0]?.isAbandoned]).toEqual([1, false])
    await vi.advanceTimersByTimeAsync(10)
    expect([links.length, links[0]?.isAbandoned]).toEqual([2, true])
    await listening.close()
    await vi.advanceTimersByTimeAsync(20_000)
    expect([links.length, links[1]?.isAbandoned, vi.getTimerCount()]).toEqual([2, true, 0])
  })

  test('that is on its way out is not asked for anything more', async () => {
    const { listening, links } = make()
    const first = await listening.subscribe('channel', SILENT)
    const closing = first.close()
    await listening.subscribe('other', SILENT)
    await closing
    expect(links.map((link) => link.scripts)).toEqual([['listen "channel"'], ['listen "other"']])
    await listening.subscribe('third', SILENT)
    expect(links[1]?.scripts).toEqual(['listen "other"', 'listen "third"'])
    await listening.close()
    await expect(listening.subscribe('channel', SILENT)).rejects.toMatchObject({ code: 'connection' })
  })

  test('that cannot even be begun is tried again', async () => {
    let attempts = 0
    const listening = new Listening({
      open() {
        attempts += 1
        throw new Error('no such option')
      },
      heartbeatMs: HEARTBEAT_MS,
      answerMs: ANSWER_MS,
      connectMs: 10_000,
      logger: undefined,
    })
    await listening.subscribe('channel', SILENT)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(attempts).toBeGreaterThan(3)
    expect(attempts).toBeLessThan(9)
    await listening.close()
    expect(vi.getTimerCount()).toBe(0)
  })
})
