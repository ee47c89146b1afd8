import * as argon2 from '@node-rs/argon2'
import { sql } from 'drizzle-orm'
import { afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { authenticateUser } from '../../src/access/authenticate.ts'
import { getUser, setUserActive, setUserPassword, unlockUser } from '../../src/access/users.ts'
import type { Connection } from '../../src/db/database.ts'
import { describeEngines } from '../database.ts'
import { query } from '../trading/ledger-fixture.ts'
import { eventsOf, makeUser, PASSWORD, WRONG } from './user-fixture.ts'

vi.mock('@node-rs/argon2', async (original) => {
  const real = await original<typeof argon2>()
  return { ...real, hash: vi.fn(real.hash), verify: vi.fn(real.verify) }
})
const verify = vi.mocked(argon2.verify)
const hash = vi.mocked(argon2.hash)

const MINUTE_MS = 60_000

describeEngines('authenticateUser', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  beforeEach(() => {
    verify.mockClear()
    hash.mockClear()
  })
  afterEach(() => vi.restoreAllMocks())

  const login = (email: string, password: string, now?: Date) =>
    authenticateUser(db, { email, password, ...(now && { now }) })

  it('returns the user of the right password, in whatever case the email is, and notes when', async () => {
    const { id, email } = await makeUser(db)
    const now = new Date('2024-05-01T10:00:00.123Z')
    const user = await login(` ${email.toUpperCase()} `, PASSWORD, now)
    expect(user).toMatchObject({ id, email, lastLoginAt: now, failedLogins: 0 })
    expect(user).toEqual(await getUser(db, { userId: id }))
    expect(await login(email, WRONG)).toBeUndefined()
    expect(await login(email, PASSWORD.toUpperCase())).toBeUndefined()
    expect(await login(email, '')).toBeUndefined()
    expect(await login('nobody@example.com', PASSWORD)).toBeUndefined()
    expect(await login('no address', PASSWORD)).toBeUndefined()
    expect((await getUser(db, { userId: id })).failedLogins).toBe(3)
    // One event: that the user was made. Logins are no changes.
    expect(await eventsOf(db, id)).toHaveLength(1)
  })

  it('knows a password whichever way its accents are written', async () => {
    const { id, email } = await makeUser(db, { password: 'cre\u0300me bru\u0302le\u0301e 24' })
    expect(await login(email, 'cr\u00e8me br\u00fbl\u00e9e 24')).toMatchObject({ id })
  })

  it('checks one hash of the same costs, whether the user is there, inactive, locked or none of it', async () => {
    const [fine, inactive, locked] = [await makeUser(db), await makeUser(db), await makeUser(db)]
    await setUserActive(db, { userId: inactive.id, isActive: false, changedBy: 'x' })
    await query(
      db,
      sql`update access.users set locked_until = now() + interval '1 hour' where id = ${locked.id}`,
    )
    const cases = [
      [fine.email, PASSWORD, true],
      [fine.email, WRONG, false],
      [inactive.email, PASSWORD, false],
      [locked.email, PASSWORD, false],
      ['nobody@example.com', PASSWORD, false],
      [fine.email, 'short', false],
      [fine.email, 'x'.repeat(1_000_000), false],
      [fine.email, `${PASSWORD}\0`, false],
      [fine.email, `${PASSWORD}\ud800`, false],
      ['nobody@example.com', 'x'.repeat(1_000_000), false],
    ] as const
    for (const [email, password, isRight] of cases) {
      verify.mockClear()
      hash.mockClear()
      expect((await login(email, password)) !== undefined, `${email} ${password.slice(0, 30)}`).toBe(isRight)
      expect(verify).toHaveBeenCalledTimes(1)
      expect(hash).not.toHaveBeenCalled()
      const [checked, tried] = verify.mock.calls[0] ?? []
      expect(argon2.parseOptions(String(checked))).toMatchObject({
        algorithm: 2,
        memoryCost: 19_456,
        timeCost: 2,
        parallelism: 1,
        outputLen: 32,
        saltLen: 16,
      })
      expect(String(tried).length).toBeLessThan(100)
    }
  })

  it('locks after five wrong passwords in a row, for 15 minutes in which none is right', async () => {
    const { id, email } = await makeUser(db)
    const start = new Date('2024-05-01T10:00:00Z').getTime()
    const at = (ms: number) => new Date(start + ms)
    for (let i = 0; i < 4; i++) expect(await login(email, WRONG, at(i))).toBeUndefined()
    // A right one forgets them.
    expect(await login(email, PASSWORD, at(4))).toMatchObject({ failedLogins: 0, lockedUntil: null })
    for (let i = 0; i < 4; i++) await login(email, WRONG, at(10 + i))
    expect(await getUser(db, { userId: id })).toMatchObject({ failedLogins: 4, lockedUntil: null })
    await login(email, WRONG, at(14))
    const lockedUntil = at(14 + 15 * MINUTE_MS)
    expect(await getUser(db, { userId: id })).toMatchObject({ failedLogins: 5, lockedUntil })
    expect(await login(email, PASSWORD, at(15))).toBeUndefined()
    // Nor does what is tried meanwhile make it longer.
    expect(await login(email, WRONG, at(16))).toBeUndefined()
    expect(await login(email, PASSWORD, at(13 + 15 * MINUTE_MS))).toBeUndefined()
    expect(await getUser(db, { userId: id })).toMatchObject({ failedLogins: 5, lockedUntil })
    // Then they count anew: four more do not lock.
    for (let i = 0; i < 4; i++) await login(email, WRONG, at(14 + 15 * MINUTE_MS + i))
    expect(await getUser(db, { userId: id })).toMatchObject({ failedLogins: 4, lockedUntil: null })
    expect(await login(email, PASSWORD, at(20 + 15 * MINUTE_MS))).toMatchObject({ id })
    const events = await eventsOf(db, id)
    expect(events.map(({ severity, message }) => [severity, message])).toEqual([
      ['info', `user ${id} was created`],
      ['warning', `user ${id} was locked after 5 wrong passwords`],
    ])
    expect(events[1]?.actor).toBeNull()
    expect(JSON.stringify(events)).not.toMatch(/failed_logins|argon2|@/)
  })

  it('lets a user in again who was unlocked, or given another password', async () => {
    const { id, email } = await makeUser(db)
    const lock = async () => {
      for (let i = 0; i < 5; i++) await login(email, WRONG)
      expect(await login(email, PASSWORD)).toBeUndefined()
    }
    await lock()
    expect(await unlockUser(db, { userId: id, changedBy: 'ann' })).toMatchObject({
      failedLogins: 0,
      lockedUntil: null,
    })
    expect(await login(email, PASSWORD)).toMatchObject({ id })
    await lock()
    await setUserPassword(db, { userId: id, password: 'a new password', changedBy: 'ann' })
    expect(await login(email, PASSWORD)).toBeUndefined()
    expect(await login(email, 'a new password')).toMatchObject({ id, failedLogins: 0 })
    expect((await eventsOf(db, id)).map(({ message }) => message.replace(id, '…'))).toEqual([
      'user … was created',
      'user … was locked after 5 wrong passwords',
      'user … was changed: locked_until',
      'user … was locked after 5 wrong passwords',
      'user … was changed: locked_until, password',
    ])
  })

  it('makes a hash of other costs anew, and lets everybody in who has the password meanwhile', async () => {
    const { id, email } = await makeUser(db)
    const weak = await argon2.hash(PASSWORD, { memoryCost: 8, timeCost: 1, parallelism: 1 })
    await query(db, sql`update access.users set password_hash = ${weak} where id = ${id}`)
    hash.mockClear()
    expect(await login(email, WRONG)).toBeUndefined()
    expect(hash).not.toHaveBeenCalled()
    const users = await Promise.all([1, 2, 3].map(() => login(email, PASSWORD)))
    expect(users.map((user) => user?.id)).toEqual([id, id, id])
    const [row] = await query(db, sql`select password_hash from access.users where id = ${id}`)
    expect(row?.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    hash.mockClear()
    expect(await login(email, PASSWORD)).toMatchObject({ id })
    expect(hash).not.toHaveBeenCalled()
    expect((await eventsOf(db, id)).at(-1)?.actor).toBe('authenticateUser')
  })

  it('does not take a password that was replaced while it was checked', async () => {
    const { id, email } = await makeUser(db)
    const real = verify.getMockImplementation()
    verify.mockImplementationOnce(async (...given) => {
      const isRight = await real?.(...given)
      await setUserPassword(db, { userId: id, password: 'a new password', changedBy: 'x' })
      return isRight ?? false
    })
    expect(await login(email, PASSWORD)).toBeUndefined()
    expect(await login(email, 'a new password')).toMatchObject({ id })
  })

  it('refuses what is no text, without showing the password', async () => {
    await expect(authenticateUser(db, { email: 1 as never, password: PASSWORD })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'email',
    })
    await expect(authenticateUser(db, { email: 'a@b', password: 12_345 as never })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'password',
      message: 'password is number, not text',
    })
    await expect(
      authenticateUser(db, { email: 'a@b', password: PASSWORD, now: new Date('x') }),
    ).rejects.toMatchObject({ field: 'now' })
  })
})
