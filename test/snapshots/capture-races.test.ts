import { expect, it } from 'vitest'
import { captureSnapshot, listSnapshots } from '../../src/snapshots/index.ts'
import { asText } from '../analytics/performance-fixture.ts'
import { createDatabase } from '../database.ts'
import { fillWorld, makeWorld, NOW, TODAY } from './snapshot-fixture.ts'

const CALLERS = 8

it('stores one snapshot where several ask for the same at once, and gives all of them that one', async () => {
  await using server = await createDatabase()
  const { db } = server
  const world = await makeWorld(db)
  await fillWorld(db, world)
  for (let round = 0; round < 5; round++) {
    const id = crypto.randomUUID()
    const taken = await Promise.all(
      Array.from({ length: CALLERS }, () =>
        captureSnapshot(db, {
          ...{ botId: world.botId, id, symbols: ['BTC'], timeframes: ['1h'], reason: 'decision' },
          ...{ now: NOW, recordedUntil: TODAY },
        }),
      ),
    )
    expect(taken.filter(({ isNew }) => isNew)).toHaveLength(1)
    const [first, ...others] = taken.map(({ isNew: _, ...snapshot }) => asText(snapshot))
    for (const other of others) expect(other).toEqual(first)
    expect(taken[0]?.market).toHaveLength(1)
  }
  expect(await listSnapshots(db, { botId: world.botId })).toHaveLength(5)
})
