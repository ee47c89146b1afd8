import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { listActiveCircuitBreakers, resolveCircuitBreaker } from '../../src/risk/circuit-breakers.ts'
import { recordFills } from '../../src/trading/record-fills.ts'
import { describeDatabases } from '../database.ts'
import { evaluateAt, fillOf, makeInstrument, minute, newBot, setRules, trade } from './breaker-fixture.ts'

const HOUR_MS = 3_600_000

describeDatabases('evaluateCircuitBreakers of the fleet', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await makeInstrument(db, 'S')
    await makeInstrument(db, 'E', { quoteCurrency: 'EUR' })
  })

  it('sums losses per base currency, leaves backtests out, and stops the whole fleet', async () => {
    expect(await evaluateAt(db, undefined, 1)).toEqual({ tripped: [], trips: [], checks: [] })
    const [a, b] = [await newBot(db), await newBot(db)]
    const euros = await newBot(db, { baseCurrency: 'EUR' })
    const backtest = await newBot(db, { mode: 'backtest' })
    await setRules(db, null, {
      rules: [
        { trigger: 'max_daily_loss', limit: '100', cooldownMs: HOUR_MS, scope: 'global' },
        { name: 'tenth', trigger: 'max_daily_loss', fraction: 0.1, cooldownMs: HOUR_MS, scope: 'global' },
        { trigger: 'max_weekly_loss', limit: '1', cooldownMs: HOUR_MS },
      ],
    })
    await trade(db, a, 'S', -60, 1)
    await trade(db, b, 'S', -39, 1)
    await trade(db, backtest, 'S', -500, 1)
    await recordFills(db, [fillOf(euros, 'E', 'buy 1 @ 1000', 1), fillOf(euros, 'E', 'sell 1 @ 901', 2)])
    const below = await evaluateAt(db, undefined, 3)
    expect(below.tripped).toEqual([])
    const figures = below.checks.map(({ rule, scope, actual }) => `${scope} ${rule} ${actual?.toFixed()}`)
    expect(figures).toEqual([
      'global fleet:max_daily_loss:EUR 99',
      'global fleet:max_daily_loss:USD 99',
      'global fleet:tenth:EUR 0.099',
      'global fleet:tenth:USD 0.0495',
    ])
    await trade(db, b, 'S', -1, 4)
    const { trips } = await evaluateAt(db, undefined, 5)
    expect(trips).toMatchObject([
      { botId: null, rule: 'fleet:max_daily_loss:USD', context: { currency: 'USD' }, expiresAt: minute(65) },
    ])
    expect(await listActiveCircuitBreakers(db, { botId: euros, now: minute(6) })).toEqual(trips)
    expect((await evaluateAt(db, undefined, 6)).tripped).toEqual([])
    // The rules of scope bot are asked of each bot, the global ones are not.
    expect((await evaluateAt(db, a, 6)).tripped).toEqual(['fleet:max_weekly_loss 60/1'])
    for (const { id } of trips)
      await resolveCircuitBreaker(db, { id, resolvedBy: 'mia', reason: 'seen', now: minute(7) })
    await trade(db, a, 'S', -99, 8)
    expect((await evaluateAt(db, undefined, 9)).tripped).toEqual([])
    await trade(db, b, 'S', -1, 9)
    expect((await evaluateAt(db, undefined, 10)).tripped).toEqual([
      'fleet:max_daily_loss:USD 100/100',
      'fleet:tenth:USD 0.1/0.1',
    ])
  })
})
