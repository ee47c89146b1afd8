import { beforeAll, expect, it } from 'vitest'
import { calculateDailyPnl, listDailyPnl } from '../../src/analytics/daily-pnl.ts'
import type { Connection } from '../../src/db/database.ts'
import { registerBot } from '../../src/fleet/index.ts'
import { activateKillSwitch } from '../../src/risk/index.ts'
import { describeDatabases } from '../database.ts'
import { recordFillsOf } from '../model/daily-record.ts'
import {
  at,
  calculate,
  closes,
  column,
  EUR_USD,
  flows,
  ledger,
  record,
  withoutTime,
} from './daily-pnl-facts.ts'

describeDatabases('daily PnL at the edges', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  it('counts a fact at the first moment of a day on that day, and one a millisecond before on the day before', async () => {
    const botId = await record(db, {
      ledgers: [
        ledger([
          ['05 23:59:59.999', 'buy 1 @ 100'],
          ['06 00:00', 'sell 1 @ 110'],
        ]),
      ],
      flows: flows(['05 23:59:59.999', '5'], ['06 00:00', '7']),
    })
    const days = await calculate(db, botId, '05', '06', '07 00:00')
    expect(column(days, 'netPnl', 'externalFlows', 'fillCount')).toEqual([
      ['0', '5', 1],
      ['10', '7', 1],
    ])
  })

  it('values a day at a close that is four days old when it ends, and the next day no more', async () => {
    // A close at 00:00 is one of the day that ends then. The fill is too old long before.
    const botId = await record(db, {
      ledgers: [ledger([['05 10:00', 'buy 1 @ 100']])],
      closes: closes('S', ['06 00:00', '101'], ['12 00:00', '103']),
    })
    const days = await calculate(db, botId, '05', '11', '12 00:00')
    expect(column(days, 'day', 'unrealisedPnl', 'unvalued')).toEqual([
      ...['05', '06', '07', '08', '09'].map((day) => [`2024-03-${day}`, '1', []]),
      ['2024-03-10', null, ['S']],
      ['2024-03-11', '3', []],
    ])
  })

  it('values a day at a fill that is four days old when it ends, and not at one a millisecond older', async () => {
    // Of the 6th, since it is at the very end of the 5th: 2 · 103 − 203 = 3.
    const seen = async (time: string) => {
      const orders = [
        ['05 10:00', 'buy 1 @ 100'],
        [time, 'buy 1 @ 103'],
      ] as const
      const botId = await record(db, { ledgers: [ledger(orders)] })
      return column(await calculate(db, botId, '05', '10', '11 00:00'), 'unrealisedPnl').flat()
    }
    expect(await seen('06 00:00')).toEqual(['0', '3', '3', '3', '3', null])
    expect(await seen('05 23:59:59.999')).toEqual(['3', '3', '3', '3', null, null])
  })

  it('converts at a rate that is four days old when a day ends, and the next day knows none', async () => {
    const botId = await record(db, {
      flows: flows(['05 10:00', '100', { currency: 'EUR' }]),
      closes: closes('EUR/USD', ['06 00:00', '1.1']),
      pairs: [EUR_USD],
    })
    const days = await calculate(db, botId, '05', '10', '11 00:00')
    expect(column(days, 'balanceEnd', 'unvalued')).toEqual([
      ...Array.from({ length: 5 }, () => ['1110', []]),
      [null, ['EUR']],
    ])
  })

  it('knows nothing that happens after now', async () => {
    const botId = await record(db, {
      ledgers: [
        ledger([
          ['05 10:00', 'buy 1 @ 100'],
          ['05 12:00', 'sell 1 @ 110'],
          ['05 12:00:00.001', 'buy 1 @ 90'],
        ]),
      ],
      flows: flows(['05 13:00', '7']),
      closes: closes('S', ['05 11:00', '104'], ['05 13:00', '1']),
    })
    const seen = async (now: string) =>
      column(
        await calculate(db, botId, '05', '06', now),
        'day',
        'isComplete',
        'balanceEnd',
        'unrealisedPnl',
        'externalFlows',
        'fillCount',
      )
    expect(await seen('04 23:59')).toEqual([])
    expect(await seen('05 09:59')).toEqual([['2024-03-05', false, '1000', '0', '0', 0]])
    expect(await seen('05 11:59')).toEqual([['2024-03-05', false, '1000', '4', '0', 1]])
    // What happens at that very moment has happened.
    expect(await seen('05 12:00')).toEqual([['2024-03-05', false, '1010', '0', '0', 2]])
    expect((await seen('05 23:59'))[0]).toEqual(['2024-03-05', false, '1017', '-89', '7', 3])
    expect((await seen('06 00:00'))[0]).toEqual(['2024-03-05', true, '1017', '-89', '7', 3])
  })

  it('begins with the first fact, or with the registration where that was before', async () => {
    const facts = {
      ledgers: [
        ledger([
          ['05 10:00', 'buy 1 @ 100'],
          ['05 11:00', 'sell 1 @ 90'],
        ]),
      ],
    }
    const late = await record(db, { ...facts, registeredAt: at('07 10:00') })
    expect(column(await calculate(db, late, '01', '06', '07 00:00'), 'day', 'balanceEnd')).toEqual([
      ['2024-03-05', '990'],
      ['2024-03-06', '990'],
    ])
    const early = await record(db, { ...facts, registeredAt: at('03 10:00') })
    expect(
      column(
        await calculate(db, early, '01', '05', '07 00:00'),
        'day',
        'balanceEnd',
        'returnFraction',
        'returnCount',
      ),
    ).toEqual([
      ['2024-03-03', '1000', 0, 1],
      ['2024-03-04', '1000', 0, 2],
      ['2024-03-05', '990', -0.01, 3],
    ])
  })

  it('counts in a row what was closed at one moment by its names, whatever order it was recorded in', async () => {
    // 10, −10, −5 and 15 of one millisecond, opened by buy 1, sell 2, buy 3 and sell 4: 10, −5, −10, 15.
    const flips = ledger([
      ['05 10:00', 'buy 1 @ 100', { sequence: 0n }],
      ['05 10:00', 'sell 2 @ 110', { sequence: 1n }],
      ['05 10:00', 'buy 2 @ 120', { sequence: 2n }],
      ['05 10:00', 'sell 2 @ 115', { sequence: 3n }],
      ['05 10:00', 'buy 1 @ 100', { sequence: 4n }],
    ])
    const streaksOf = async (order: readonly number[]) => {
      const botId = await record(db, { ledgers: [{ ...flips, facts: { ...flips.facts, fills: [] } }] })
      for (const place of order) {
        const fill = flips.facts.fills[place]
        if (fill !== undefined)
          await recordFillsOf(db, botId, { ...flips, facts: { ...flips.facts, fills: [fill] } })
      }
      const days = await calculate(db, botId, '05', '05', '06 00:00')
      return column(days, 'winCount', 'lossCount', 'currentStreak', 'longestWinStreak', 'longestLossStreak')
    }
    const expected = [[2, 2, 1, 1, 2]]
    expect(await streaksOf([0, 1, 2, 3, 4])).toEqual(expected)
    expect(await streaksOf([4, 3, 2, 1, 0])).toEqual(expected)
    expect(await streaksOf([2, 0, 4, 1, 3])).toEqual(expected)
  })

  it('makes of a part of the days what it makes of all of them', async () => {
    const botId = await record(db, {
      ledgers: [
        ledger([
          ['05 10:00', 'buy 2 @ 100'],
          ['06 10:00', 'sell 1 @ 90'],
          ['07 10:00', 'sell 1 @ 120'],
          ['08 10:00', 'sell 1 @ 120'],
        ]),
      ],
    })
    const middle = await calculate(db, botId, '06', '07', '09 00:00')
    const one = await calculateDailyPnl(db, { botId, day: '2024-03-06', now: new Date(at('09 00:00')) })
    const whole = await calculate(db, botId, '05', '08', '09 00:00')
    expect(middle.map(withoutTime)).toEqual(whole.slice(1, 3).map(withoutTime))
    expect(one).toEqual([middle[0]])
    // Those that were there are not written again.
    expect(whole.slice(1, 3)).toEqual(middle)
  })

  it('goes on with a day that was in progress', async () => {
    const botId = await record(db, {
      ledgers: [
        ledger([
          ['05 10:00', 'buy 1 @ 100'],
          ['05 20:00', 'sell 1 @ 130'],
        ]),
      ],
    })
    const stored = () => listDailyPnl(db, { botId })
    await calculate(db, botId, '05', '05', '05 12:00')
    expect(column(await stored(), 'isComplete', 'unrealisedPnl', 'netPnl')).toEqual([[false, '0', '0']])
    await calculate(db, botId, '05', '05', '06 12:00')
    expect(column(await stored(), 'isComplete', 'unrealisedPnl', 'netPnl')).toEqual([[true, '0', '30']])
  })

  it('is the same for two who calculate at once', async () => {
    const botId = await record(db, {
      ledgers: [
        ledger([
          ['05 10:00', 'buy 1 @ 100'],
          ['07 20:00', 'sell 1 @ 130'],
        ]),
      ],
    })
    const both = await Promise.all(['05', '06'].map((from) => calculate(db, botId, from, '08', '09 00:00')))
    const stored = (await listDailyPnl(db, { botId })).toReversed()
    expect(both[0]).toHaveLength(4)
    expect(both.map((rows) => rows.map(withoutTime))).toEqual([
      stored.map(withoutTime),
      stored.slice(1).map(withoutTime),
    ])
  })

  it('begins today where nothing ever happened, and counts what stopped the bot', async () => {
    const fresh = await open.fresh()
    await registerBot(fresh, {
      botId: 'idle',
      kind: 'test',
      strategy: 'none',
      exchange: 'x',
      mode: 'paper',
      baseCurrency: 'USD',
      initialEquity: '12.5',
    })
    await activateKillSwitch(fresh, { activatedBy: 'a test', reason: 'a test' })
    const now = new Date(Date.now() + 1_000)
    const [today = ''] = now.toISOString().split('T')
    const rows = await calculateDailyPnl(fresh, { botId: 'idle', from: '2024-01-01', to: today, now })
    expect(
      column(
        rows,
        'day',
        'isComplete',
        'balanceStart',
        'equityEnd',
        'netPnl',
        'returnFraction',
        'killSwitchCount',
        'sharpe',
      ),
    ).toEqual([[today, false, '12.5', '12.5', '0', 0, 1, null]])
    expect(await calculateDailyPnl(fresh, { botId: 'idle', day: '2999-01-01', now })).toEqual([])
  })

  it('refuses what is no day, a range that ends before it begins, and a bot that is not there', async () => {
    const botId = await record(db, {})
    const refused = (input: object) =>
      calculateDailyPnl(db, { botId, ...input } as Parameters<typeof calculateDailyPnl>[1])
    await expect(refused({ day: '2024-02-30' })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'day',
    })
    await expect(refused({ from: 'x', to: '2024-01-01' })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'from',
    })
    await expect(refused({ from: '2024-01-02', to: '2024-01-01' })).rejects.toMatchObject({
      code: 'invalid_input',
    })
    await expect(refused({ day: '2024-01-01', now: new Date(Number.NaN) })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'now',
    })
    await expect(refused({ botId: 'nobody', day: '2024-01-01' })).rejects.toMatchObject({ code: 'not_found' })
  })
})
