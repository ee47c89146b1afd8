import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { StatusWatch } from '../../src/risk/status-watch.ts'

interface Block {
  readonly code: string
  readonly until: Date | null
}

interface Status {
  readonly state: 'active' | 'halted'
  readonly blocks: Block[]
  readonly checkedAt: Date
  readonly since?: Date
}

const POLL_MS = 1_000
const MAX_AGE_MS = 5_000
const START = new Date('2026-03-01T00:00:00Z')

const active = (): Status => ({ state: 'active', blocks: [], checkedAt: new Date() })
const halted = (code: string, until: Date | null = null): Status => ({
  state: 'halted',
  blocks: [{ code, until }],
  checkedAt: new Date(),
})

/** What is read, which each test decides. */
class Source {
  reads = 0
  answer: () => Status | Promise<Status> = active
  readonly read = async () => {
    this.reads += 1
    return await this.answer()
  }
}

async function watch(source: Source, options: { pollMs?: number; maxAgeMs?: number } = {}) {
  return await StatusWatch.start<Status>({
    read: source.read,
    unknown: (since, reason) => ({ ...halted(`unknown: ${reason}`), since }),
    pollMs: POLL_MS,
    maxAgeMs: MAX_AGE_MS,
    ...options,
  })
}

const codesOf = (status: Status | undefined) => status?.blocks.map((block) => block.code)

/** Keeps what an iterator yields, for as long as the watch lasts. */
function follow(watched: AsyncIterable<Status>): { readonly seen: string[]; readonly over: Promise<void> } {
  const seen: string[] = []
  const over = (async () => {
    for await (const status of watched) seen.push(status.blocks[0]?.code ?? status.state)
  })()
  return { seen, over }
}

describe('a watched status', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'], now: START })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

  test('is yielded at once, and then whenever it is another, not whenever it is read', async () => {
    const source = new Source()
    await using watched = await watch(source)
    const { seen } = follow(watched)
    await pass(3 * POLL_MS)
    expect(seen).toEqual(['active'])
    source.answer = () => halted('kill_switch')
    await pass(POLL_MS)
    expect(seen).toEqual(['active', 'kill_switch'])
    expect(codesOf(watched.current)).toEqual(['kill_switch'])
    source.answer = () => halted('daily_loss')
    await pass(POLL_MS)
    source.answer = active
    await pass(POLL_MS)
    expect(seen).toEqual(['active', 'kill_switch', 'daily_loss', 'active'])
    expect(source.reads).toBe(7)
  })

  test('is the newest for who comes late, with nothing of what was between', async () => {
    const source = new Source()
    await using watched = await watch(source)
    const iterator = watched[Symbol.asyncIterator]()
    expect((await iterator.next()).value?.state).toBe('active')
    for (const code of ['a', 'b', 'c']) {
      source.answer = () => halted(code)
      await pass(POLL_MS)
    }
    expect(codesOf((await iterator.next()).value)).toEqual(['c'])
    let isNext = false
    const next = iterator.next().then((result) => {
      isNext = true
      return result
    })
    await pass(3 * POLL_MS)
    expect(isNext).toBe(false)
    source.answer = active
    await pass(POLL_MS)
    expect((await next).value?.state).toBe('active')
  })

  test('is seen by each of several iterators, one of which may stop', async () => {
    const source = new Source()
    await using watched = await watch(source)
    const [first, second] = [follow(watched), follow(watched)]
    const stopping = watched[Symbol.asyncIterator]()
    await stopping.next()
    const waiting = stopping.next()
    await pass(0)
    expect(await stopping.return?.()).toEqual({ value: undefined, done: true })
    expect(await waiting).toEqual({ value: undefined, done: true })
    source.answer = () => halted('a')
    await pass(POLL_MS)
    expect([first.seen, second.seen]).toEqual([
      ['active', 'a'],
      ['active', 'a'],
    ])
    for await (const status of watched) {
      expect(codesOf(status)).toEqual(['a'])
      break
    }
    expect(await stopping.next()).toEqual({ value: undefined, done: true })
  })

  test('is read one at a time, and once more after a read during which something changed', async () => {
    const source = new Source()
    await using watched = await watch(source)
    let underWay = 0
    source.answer = async () => {
      underWay += 1
      expect(underWay).toBe(1)
      await new Promise((resolve) => setTimeout(resolve, 100))
      underWay -= 1
      return active()
    }
    watched.refresh()
    for (let n = 0; n < 5; n++) watched.refresh()
    await pass(99)
    expect(source.reads).toBe(2)
    await pass(1)
    expect(source.reads).toBe(3)
    await pass(100 + POLL_MS - 1)
    expect(source.reads).toBe(3)
    await pass(1)
    expect(source.reads).toBe(4)
  })

  test('is read at the millisecond at which a block ends, by the clock of who checked', async () => {
    const source = new Source()
    // A clock an hour ahead of ours.
    const theirs = () => new Date(Date.now() + 3_600_000)
    const end = new Date(theirs().getTime() + 1_234)
    const ended = new Date(theirs().getTime() - 1)
    source.answer = () => ({
      ...(theirs() < end ? halted('cooldown', end) : active()),
      checkedAt: theirs(),
    })
    await using watched = await watch(source)
    await pass(1_233)
    expect(codesOf(watched.current)).toEqual(['cooldown'])
    await pass(1)
    expect(watched.current.state).toBe('active')
    expect(source.reads).toBe(3)
    source.answer = () => ({ ...halted('ended', ended), checkedAt: theirs() })
    await pass(POLL_MS)
    expect(source.reads).toBe(4)
    await pass(POLL_MS - 1)
    expect(source.reads).toBe(4)
  })

  test('is not read without a pause when a block is about to end and reading fails', async () => {
    const source = new Source()
    source.answer = () => halted('cooldown', new Date(Date.now() + 3))
    await using _ = await watch(source)
    source.answer = () => Promise.reject(new Error('gone'))
    await pass(2_900)
    expect(source.reads).toBe(4)
  })

  test('is believed for as long as it may be old, counted from before it was asked for, and not a millisecond longer', async () => {
    const source = new Source()
    source.answer = async () => {
      await new Promise((resolve) => setTimeout(resolve, 700))
      return active()
    }
    const starting = watch(source)
    await pass(700)
    await using watched = await starting
    const { seen } = follow(watched)
    const failure = new Error('the connection was lost')
    source.answer = () => Promise.reject(failure)
    await pass(MAX_AGE_MS - 700)
    expect(watched.current.state).toBe('active')
    expect(watched.lastError).toBe(failure)
    await pass(1)
    expect(watched.current).toMatchObject({
      state: 'halted',
      since: new Date(START.getTime() + MAX_AGE_MS),
      blocks: [
        { code: 'unknown: no status could be read since 2026-03-01T00:00:00.000Z: the connection was lost' },
      ],
    })
    expect(seen).toHaveLength(2)
    expect(seen[1]).toContain('unknown')
    await pass(10 * POLL_MS)
    expect(seen).toHaveLength(2)
    source.answer = active
    await pass(POLL_MS)
    expect(watched.current.state).toBe('active')
    expect(watched.lastError).toBeUndefined()
    expect(seen.at(-1)).toBe('active')
  })

  test('is not believed when it arrives too late, nor while a read hangs', async () => {
    const source = new Source()
    await using watched = await watch(source)
    source.answer = async () => {
      await new Promise((resolve) => setTimeout(resolve, MAX_AGE_MS + 1))
      return active()
    }
    await pass(MAX_AGE_MS + 1)
    expect(watched.current.state).toBe('halted')
    expect(codesOf(watched.current)?.[0]).toContain('no newer status has come since')
    await pass(POLL_MS)
    expect(watched.current.state).toBe('halted')
    source.answer = active
    await pass(3 * MAX_AGE_MS)
    expect(watched.current.state).toBe('active')
  })

  test('is doubted when the clock on the wall has gone on, as after a sleep, until it is read again', async () => {
    const source = new Source()
    await using watched = await watch(source)
    vi.setSystemTime(START.getTime() + MAX_AGE_MS)
    expect(watched.current.state).toBe('active')
    vi.setSystemTime(START.getTime() + MAX_AGE_MS + 1)
    expect(watched.current.state).toBe('halted')
    await pass(POLL_MS)
    expect(watched.current.state).toBe('active')
  })

  test('is no younger for a clock on the wall that was set back', async () => {
    const source = new Source()
    await using watched = await watch(source)
    vi.setSystemTime(START.getTime() - 86_400_000)
    source.answer = () => Promise.reject(new Error('gone'))
    await pass(MAX_AGE_MS)
    expect(watched.current.state).toBe('active')
    await pass(1)
    expect(watched.current.state).toBe('halted')
  })

  test('cannot be changed by who reads it, and is the same object until it is another', async () => {
    const source = new Source()
    source.answer = () => halted('a')
    await using watched = await watch(source)
    const { current } = watched
    expect(watched.current).toBe(current)
    expect([current, current.blocks, current.blocks[0]].every(Object.isFrozen)).toBe(true)
    vi.setSystemTime(START.getTime() + 2 * MAX_AGE_MS)
    const doubt = watched.current
    expect(watched.current).toBe(doubt)
    expect([doubt, doubt.blocks, doubt.blocks[0]].every(Object.isFrozen)).toBe(true)
  })

  test('that cannot be read at first is an error, and nothing is left of it', async () => {
    const source = new Source()
    source.answer = () => Promise.reject(new Error('no such bot'))
    await expect(watch(source)).rejects.toThrow('no such bot')
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is unknown once the watch is closed, which ends its iterators and its timers', async () => {
    const source = new Source()
    const watched = await watch(source)
    const { seen, over } = follow(watched)
    await pass(0)
    let answer: (status: Status) => void = () => undefined
    source.answer = () =>
      new Promise((resolve) => {
        answer = resolve
      })
    watched.refresh()
    watched.refresh()
    watched.close()
    watched.close()
    expect(codesOf(watched.current)).toEqual(['unknown: the watch is closed'])
    await over
    answer(active())
    await pass(10 * POLL_MS)
    expect(seen).toEqual(['active'])
    expect(source.reads).toBe(2)
    expect(codesOf(watched.current)).toEqual(['unknown: the watch is closed'])
    expect(await watched[Symbol.asyncIterator]().next()).toEqual({ value: undefined, done: true })
    watched.refresh()
    await pass(POLL_MS)
    expect(source.reads).toBe(2)
    expect(vi.getTimerCount()).toBe(0)
  })
})

test('a status is doubted by who asks while the process is too busy for any timer', async () => {
  const watched = await watch(new Source(), { pollMs: 10, maxAgeMs: 60 })
  const busyUntil = performance.now() + 70
  while (performance.now() < busyUntil);
  expect(watched.current.state).toBe('halted')
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(watched.current.state).toBe('active')
  watched.close()
})

test('a watch keeps no process alive by its timers', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  await using _ = await watch(new Source())
  expect(timers()).toBe(before)
})
