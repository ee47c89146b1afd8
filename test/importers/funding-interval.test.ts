import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addIntervals, fundingHour, inferIntervals } from '../../src/importers/funding-interval.ts'
import { all } from './reading.ts'

describe('inferIntervals', () => {
  test.each([
    ['an even series', [0, 8, 16, 24], [8, 8, 8, 8]],
    ['two rates', [8, 16], [8, 8]],
    ['a change to a shorter interval', [0, 8, 16, 17, 18, 19], [8, 8, 8, 1, 1, 1]],
    ['a change to a longer interval', [0, 1, 2, 10, 18], [1, 1, 1, 8, 8]],
    ['a change with the very last rate', [0, 8, 16, 20], [8, 8, 8, 4]],
    ['a change after the very first', [0, 8, 9, 10], [8, 8, 1, 1]],
    ['one missing rate', [0, 1, 2, 4, 5, 6], [1, 1, 1, 1, 1, 1]],
    ['several missing in one place', [0, 1, 2, 9, 10, 11], [1, 1, 1, 1, 1, 1]],
    ['one missing near the end', [0, 1, 2, 4], [1, 1, 1, 1]],
    ['one missing near the start', [0, 16, 24, 32], [8, 8, 8, 8]],
    ['one missing just where the interval changes', [0, 8, 16, 18, 19, 20], [8, 8, 8, 1, 1, 1]],
    ['a change that begins out of step', [0, 1, 2, 8, 16, 24], [1, 1, 1, 6, 8, 8]],
    ['one rate between two others', [0, 8, 16, 20, 28, 36], [8, 8, 8, 4, 8, 8]],
    ['a series in any order', [24, 0, 16, 8], [8, 8, 8, 8]],
    ['rates of the same hour', [0, 8, 8, 16, 17], [8, 8, 8, 8, 1]],
    ['a week between', [0, 168, 336], [168, 168, 168]],
  ])('tells the intervals of %s', (_, hours, intervals) => {
    expect(inferIntervals(hours)).toEqual(intervals)
  })

  test.each([
    ['nothing', [], []],
    ['one rate', [8], [undefined]],
    ['one hour', [8, 8], [undefined, undefined]],
    ['over a week between', [0, 169], [undefined, undefined]],
  ])('tells none of %s', (_, hours, intervals) => {
    expect(inferIntervals(hours)).toEqual(intervals)
  })
})

describe('fundingHour', () => {
  test.each([
    ['2023-05-12T08:00:00.388Z', '2023-05-12T08:00:00Z'],
    ['2023-05-12T07:59:59.999Z', '2023-05-12T08:00:00Z'],
    ['2023-05-12T08:29:59.999Z', '2023-05-12T08:00:00Z'],
    ['2023-05-12T08:30:00.000Z', '2023-05-12T09:00:00Z'],
  ])('of %s is %s', (at, hour) => {
    expect(fundingHour(new Date(at)) * 3_600_000).toBe(Date.parse(hour))
  })
})

interface Timed {
  readonly publishedAt: Date
}

async function* timed(hours: readonly number[]): AsyncGenerator<Timed> {
  for (const hour of hours) yield { publishedAt: new Date(hour * 3_600_000 + 60_000) }
}

const streamed = async (hours: readonly number[]) =>
  (
    await all(
      addIntervals(timed(hours), ({ publishedAt }, why) => new Error(`${publishedAt.toISOString()} ${why}`)),
    )
  ).map(([, interval]) => interval)

describe('addIntervals', () => {
  test('tells what inferIntervals tells, in either order of time, with hours that repeat', async () => {
    const gaps = fc.array(fc.constantFrom(0, 1, 1, 1, 2, 4, 8, 8, 8, 16, 24), { minLength: 1, maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(gaps, fc.boolean(), async (steps, isReversed) => {
        const hours = [500_000]
        for (const step of steps) hours.push((hours.at(-1) ?? 0) + step)
        const inOrder = isReversed ? hours.reverse() : hours
        fc.pre(new Set(hours).size > 1)
        expect(await streamed(inOrder)).toEqual(inferIntervals(inOrder))
      }),
    )
  })

  test('asks for no more rates than it needs to tell the next one', async () => {
    let taken = 0
    async function* counted() {
      for await (const rate of timed([0, 8, 16, 24, 32, 40, 48])) {
        taken += 1
        yield rate
      }
    }
    const rates = addIntervals(counted(), (_, why) => new Error(why))
    await rates.next()
    expect(taken).toBe(3)
    await rates.next()
    expect(taken).toBe(4)
  })

  test('refuses a single rate, and rates that turn around in time', async () => {
    await expect(streamed([8])).rejects.toThrow(
      '1970-01-01T08:01:00.000Z has no rate near it in time, so its interval',
    )
    await expect(streamed([0, 8, 16, 24, 8])).rejects.toThrow(
      '1970-01-01T08:01:00.000Z is not in the order of time that the rates before it are in, so its interval',
    )
    expect(await streamed([])).toEqual([])
  })
})
