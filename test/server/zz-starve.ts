import { connect } from '/work/main/src/db/connect.ts'
import { recordFill, recordFills } from '/work/main/src/trading/record-fills.ts'
import { rebuildPositions } from '/work/main/src/trading/rebuild.ts'
import { prepareBot, fillFeed } from '/work/main/test/server/ledger-feed.ts'
const url = process.argv[2]
const db = await connect({ url, poolSize: 12, skipSchemaCheck: true })
await prepareBot(db, 's', ['BTC-USDT'])
const feed = fillFeed({ botId: 's', symbols: ['BTC-USDT'], fills: 12000, payments: 0, seed: 1 }).map(({ positionSide, ...f }) => f)
const t0 = performance.now()
await recordFills(db, feed.slice(0, 10000).filter((_, n) => n !== 5))
console.log('loaded', performance.now() - t0)
let stop = false, appended = 0
const fresh = feed.slice(10000)
const writers = Array.from({ length: Number(process.argv[3] ?? 2) }, async () => { while (!stop) { const f = fresh.shift(); if (!f) return; await recordFill(db, { ...f, executedAt: new Date(Date.now()+ 1e9) }).then(() => appended++, (e) => console.log('append', e.message)) ; await new Promise(r => setTimeout(r, 10)) } })
await new Promise(r => setTimeout(r, 300))
const t = performance.now()
await recordFill(db, feed[5]!).then(() => console.log('late stored after', performance.now() - t, appended), (e) => console.log('LATE FAILED', e.message, performance.now() - t, appended))
const t2 = performance.now()
await rebuildPositions(db, { botId: 's' }).then((r) => console.log('rebuild', JSON.stringify(r), performance.now() - t2), (e) => console.log('REBUILD FAILED', e.message, performance.now() - t2))
stop = true
await Promise.all(writers)
console.log(await rebuildPositions(db, { botId: 's', dryRun: true }))
await db.close()
