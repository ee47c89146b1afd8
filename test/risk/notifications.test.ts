import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { lockSymbol, unlockSymbol } from '../../src/risk/locks.ts'
import { setRiskSettings } from '../../src/risk/settings.ts'
import { describeEngines, isPooled } from '../database.ts'
import { makeBot } from '../trading/ledger-fixture.ts'

const who = { changedBy: 'ann', lockedBy: 'ann', unlockedBy: 'ann', reason: 'x' }

describeEngines('whoever listens', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await makeBot(db, 'a')
  })

  it.skipIf(isPooled())(
    'is told of changed settings and locks, of which bot, and of nothing else',
    async () => {
      const heard: string[] = []
      let wake: () => void = () => undefined
      const subscription = await db.listen('tradeblotter_risk', {
        notified(payload) {
          heard.push(payload)
          wake()
        },
        ready: () => undefined,
        lost: () => undefined,
      })
      try {
        const ofFleet = await setRiskSettings(db, { ...who, tradingEnabled: true })
        await setRiskSettings(db, { ...who, botId: 'a', maxLeverage: '2' })
        // Changes nothing, and is refused: no news.
        await setRiskSettings(db, { ...who, botId: 'a', maxLeverage: '2.0' })
        await setRiskSettings(db, { ...who, maxLeverage: '5', expectedVersion: ofFleet.version + 1 }).catch(
          () => undefined,
        )
        const past = { ...who, until: new Date(0) }
        await lockSymbol(db, { ...past, botId: 'a' }).catch(() => undefined)
        await lockSymbol(db, { ...past }).catch(() => undefined)
        const own = await lockSymbol(db, { ...who, botId: 'a', until: null })
        const all = await lockSymbol(db, { ...who, until: null })
        await unlockSymbol(db, { ...who, botId: 'a', id: own.id })
        await unlockSymbol(db, { ...who, botId: 'a', id: own.id }).catch(() => undefined)
        await unlockSymbol(db, { ...who, id: all.id })
        while (heard.length < 6) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
        expect(heard).toEqual(['*', 'a', 'a', '*', 'a', '*'])
      } finally {
        await subscription.close()
      }
    },
  )
})
