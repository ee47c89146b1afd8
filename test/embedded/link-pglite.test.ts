import { expect, it, onTestFinished } from 'vitest'
import type { Link } from '../../src/db/engine.ts'
import { startMigratedEngine } from '../../src/testing/embedded-database.ts'

async function openLinks(): Promise<() => Link> {
  const engine = await startMigratedEngine()
  onTestFinished(() => engine.close())
  return engine.openLink
}

const query = (text: string, prepare = false) => ({ name: 'test', text, params: [], prepare })

it('closes a connection without closing the engine, and rolls back what it left open', async () => {
  const openLink = await openLinks()
  const first = openLink()
  await first.runScript('create table entries (n integer)')
  await first.runScript('begin; insert into entries values (1)')
  await first.run(query('select n from entries', true))
  await first.close()
  expect(first.broken).toBe(true)
  await expect(first.run(query('select 1'))).rejects.toMatchObject({ code: 'connection' })

  const second = openLink()
  expect(second.broken).toBe(false)
  // Prepared by the connection before, in the same session.
  const empty = await second.run(query('select n from entries', true))
  expect({ columns: empty.columns(), rows: empty.rows }).toEqual({ columns: ['n'], rows: [] })
  expect(await second.runScript('begin; insert into entries values (2); commit')).toBe('COMMIT')
})

it('rolls back also after a statement of the transaction failed', async () => {
  const openLink = await openLinks()
  const first = openLink()
  await first.runScript('begin')
  await expect(first.run(query('select 1 / 0'))).rejects.toMatchObject({ code: '22012' })
  await first.close()
  expect(await openLink().run(query('select 1 as n'))).toMatchObject({ rows: [[1]] })
})

it('answers the commit of a failed transaction with its rollback', async () => {
  const link = (await openLinks())()
  await link.runScript('begin')
  await expect(link.run(query('select 1 / 0'))).rejects.toThrow()
  expect(await link.runScript('commit')).toBe('ROLLBACK')
})

it('returns the tag of the last statement of a script, and refuses two in a statement', async () => {
  const link = (await openLinks())()
  expect(await link.runScript('select 1; select 2, 3')).toBe('SELECT 1')
  await expect(link.run(query('select 1; select 2'))).rejects.toMatchObject({ code: '42601' })
  const twice = await link.run(query('select 1 as a, 2 as a'))
  expect({ ...twice, columns: twice.columns() }).toEqual({
    columns: ['a', 'a'],
    rows: [[1, 2]],
    command: 'SELECT 1',
  })
})

it('is broken for good when the engine is gone', async () => {
  const engine = await startMigratedEngine()
  const link = engine.openLink()
  await engine.close()
  await expect(link.run(query('select 1'))).rejects.toMatchObject({ code: 'connection' })
  expect(link.broken).toBe(true)
  expect(engine.openLink().broken).toBe(true)
})
