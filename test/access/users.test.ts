import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import { USER_ROLES } from '../../src/access/schema.ts'
import {
  createUser,
  findUserByEmail,
  getUser,
  listUsers,
  setUserActive,
  setUserPassword,
  setUserRole,
  unlockUser,
} from '../../src/access/users.ts'
import type { Connection } from '../../src/db/database.ts'
import { withRollback } from '../../src/testing/index.ts'
import { describeEngines } from '../database.ts'
import { query } from '../trading/ledger-fixture.ts'
import { eventsOf, makeUser, NOBODY, PASSWORD } from './user-fixture.ts'

describeEngines('users', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  it('are stored as given, without blanks around the email, and never returned with their hash', async () => {
    const user = await createUser(db, {
      email: '  Ann.Lee@Example.com ',
      password: PASSWORD,
      role: 'approver',
      displayName: 'Ann',
      changedBy: 'root',
    })
    expect(user).toEqual({
      id: expect.any(String),
      email: 'Ann.Lee@Example.com',
      role: 'approver',
      isActive: true,
      displayName: 'Ann',
      failedLogins: 0,
      lockedUntil: null,
      lastLoginAt: null,
      createdAt: expect.any(Date),
      updatedAt: expect.any(Date),
      changedBy: 'root',
    })
    expect(await getUser(db, { userId: user.id })).toEqual(user)
    expect(await findUserByEmail(db, { email: 'ANN.lee@example.COM' })).toEqual(user)
    expect(await findUserByEmail(db, { email: 'ann@example.com' })).toBeUndefined()
    const [row] = await query(db, sql`select password_hash from access.users where id = ${user.id}`)
    expect(row?.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    const changed = [
      await setUserRole(db, { userId: user.id, role: 'viewer', changedBy: 'root' }),
      await setUserActive(db, { userId: user.id, isActive: false, changedBy: 'root' }),
      await setUserPassword(db, { userId: user.id, password: 'another password', changedBy: 'root' }),
      await unlockUser(db, { userId: user.id, changedBy: 'root' }),
      ...(await listUsers(db)),
    ]
    for (const one of changed) expect(Object.keys(one)).toEqual(Object.keys(user))
    expect(JSON.stringify(changed)).not.toMatch(/argon2/)
  })

  it('have one email each, in whatever case, also against plain SQL', async () => {
    await makeUser(db, { email: 'once@example.com' })
    await expect(makeUser(db, { email: 'ONCE@example.com' })).rejects.toMatchObject({
      code: 'conflict',
      field: 'email',
      message: "there is a user with the email 'ONCE@example.com' already",
    })
    await withRollback(db, async (tx) => {
      const other = await makeUser(tx)
      await expect(
        query(tx, sql`update access.users set email = 'oNce@example.com' where id = ${other.id}`),
      ).rejects.toMatchObject({ code: 'conflict', constraint: 'users_email_key' })
    })
  })

  it.each([
    ['email', { email: 'ann' }],
    ['email', { email: 'ann@' }],
    ['email', { email: 'a b@example.com' }],
    ['email', { email: 'a@b@example.com' }],
    ['email', { email: `${'a'.repeat(250)}@example.com` }],
    ['email', { email: 'a\0@example.com' }],
    ['email', { email: 1 as never }],
    ['role', { role: 'root' as never }],
    ['displayName', { displayName: ' ' }],
    ['changedBy', { changedBy: '' }],
    ['password', { password: 'eleven char' }],
    ['password', { password: 'p'.repeat(1001) }],
    ['password', { password: `${PASSWORD}\0` }],
    ['password', { password: `${PASSWORD}\ud800` }],
    ['password', { password: 123_456_789_012 as never }],
  ])('refuse what cannot be stored, naming %s (%#)', async (field, over) => {
    const refused = await makeUser(db, over).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'invalid_input', field })
    if ('password' in over) expect(String(refused)).not.toContain(String(over.password).slice(0, 5))
  })

  it('take passwords of 12 and of 1,000 characters, counted as people do', async () => {
    for (const password of ['twelve chars', 'x'.repeat(1000), '🔑'.repeat(12), '🔑'.repeat(1000)]) {
      await expect(makeUser(db, { password })).resolves.toMatchObject({ isActive: true })
    }
    await expect(makeUser(db, { password: '🔑'.repeat(11) })).rejects.toMatchObject({ field: 'password' })
  })

  it('change by verbs that say who did it, and are written down each time, without hash or password', async () => {
    const { id } = await makeUser(db, { email: 'moves@example.com', changedBy: 'ann' })
    const key = { userId: id, changedBy: 'bob' }
    expect(await setUserRole(db, { ...key, role: 'operator' })).toMatchObject({
      role: 'operator',
      changedBy: 'bob',
    })
    expect(await setUserActive(db, { ...key, isActive: false })).toMatchObject({ isActive: false })
    await setUserActive(db, { ...key, isActive: false })
    await setUserPassword(db, { ...key, password: 'some other password' })
    await query(db, sql`update access.users set role = 'viewer', is_active = true where id = ${id}`)
    const events = await eventsOf(db, id)
    expect(events.map(({ message, severity }) => [severity, message])).toEqual([
      ['info', `user ${id} was created`],
      ['info', `user ${id} was changed: role`],
      ['info', `user ${id} was changed: is_active`],
      ['info', `user ${id} was changed: password`],
      ['info', `user ${id} was changed: is_active, role`],
    ])
    const [created, role, active, password, plain] = events.map((event) => event.details)
    expect(events.slice(0, 2).map(({ actor }) => actor)).toEqual(['ann', 'bob'])
    expect(created).toMatchObject({
      before: {},
      after: { role: 'viewer', is_active: true },
    })
    expect(role).toEqual({
      userId: id,
      role: expect.any(String),
      before: { role: 'viewer' },
      after: { role: 'operator' },
    })
    expect(active).toMatchObject({ before: { is_active: true }, after: { is_active: false } })
    expect(password).toMatchObject({ before: {}, after: { password: 'replaced' } })
    expect(plain).toMatchObject({
      before: { role: 'operator', is_active: false },
      after: { role: 'viewer', is_active: true },
    })
    expect(JSON.stringify(events)).not.toMatch(/argon2|password_hash|some other|failed_logins|moves@/)
  })

  it('say when anything but a login last changed them', async () => {
    const { id, updatedAt } = await makeUser(db)
    await query(db, sql`update access.users set failed_logins = 2, last_login_at = now() where id = ${id}`)
    expect((await getUser(db, { userId: id })).updatedAt).toEqual(updatedAt)
    await new Promise((resolve) => setTimeout(resolve, 5))
    const changed = await setUserRole(db, { userId: id, role: 'operator', changedBy: 'x' })
    expect(changed.updatedAt.getTime()).toBeGreaterThan(updatedAt.getTime())
  })

  it('that are not there are not found', async () => {
    const key = { userId: NOBODY, changedBy: 'x' }
    const calls = [
      () => getUser(db, key),
      () => setUserActive(db, { ...key, isActive: true }),
      () => setUserRole(db, { ...key, role: 'admin' }),
      () => setUserPassword(db, { ...key, password: PASSWORD }),
      () => unlockUser(db, key),
    ]
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({
        code: 'not_found',
        message: `user '${NOBODY}' not found`,
      })
    }
    await expect(getUser(db, { userId: 'ann' })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'userId',
    })
    await expect(setUserActive(db, { ...key, isActive: 'yes' as never })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'isActive',
    })
  })

  it('refuse by the database itself what no verb does: plain passwords, removal, another id', async () => {
    const { id } = await makeUser(db)
    const refused = [
      [sql`update access.users set password_hash = 'secret' where id = ${id}`, { field: 'passwordHash' }],
      [sql`update access.users set role = 'root' where id = ${id}`, { field: 'role' }],
      [sql`update access.users set email = 'nobody' where id = ${id}`, { field: 'email' }],
      [sql`update access.users set id = ${NOBODY} where id = ${id}`, { code: 'invalid_input' }],
      [sql`delete from access.users where id = ${id}`, { code: 'invalid_input' }],
      [sql`truncate access.users cascade`, { code: 'invalid_input' }],
    ] as const
    for (const [statement, error] of refused) {
      await expect(query(db, statement), JSON.stringify(error)).rejects.toMatchObject(error)
    }
  })
})

describeEngines('the list of users', (open) => {
  it('goes by email without regard to case, in pages, by role and whether they are active', async () => {
    const db = await open()
    await withRollback(db, async (tx) => {
      await makeUser(tx, { email: 'b@example.com', role: 'admin' })
      await makeUser(tx, { email: 'C@example.com' })
      const a = await makeUser(tx, { email: 'A@example.com' })
      await setUserActive(tx, { userId: a.id, isActive: false, changedBy: 'x' })
      const emails = async (input: Parameters<typeof listUsers>[1]) =>
        (await listUsers(tx, input)).map(({ email }) => email)
      expect(await emails({})).toEqual(['A@example.com', 'b@example.com', 'C@example.com'])
      expect(await emails({ after: { email: 'a@EXAMPLE.com' }, limit: 1 })).toEqual(['b@example.com'])
      expect(await emails({ role: 'admin' })).toEqual(['b@example.com'])
      expect(await emails({ isActive: false })).toEqual(['A@example.com'])
      expect(await emails({ isActive: true, role: 'viewer' })).toEqual(['C@example.com'])
      await expect(listUsers(tx, { limit: 0 })).rejects.toMatchObject({ field: 'limit' })
      await expect(listUsers(tx, { role: 'root' as never })).rejects.toMatchObject({ field: 'role' })
    })
  })
})

describeEngines('the last active admin', (open) => {
  it('stays one, whoever asks for what; other roles go from each to each', async () => {
    const db = await open.fresh()
    const who = { changedBy: 'x' }
    const user = await makeUser(db)
    for (const from of USER_ROLES.filter((role) => role !== 'admin')) {
      for (const to of USER_ROLES) {
        await setUserRole(db, { ...who, userId: user.id, role: from })
        if (to !== 'admin')
          expect(await setUserRole(db, { ...who, userId: user.id, role: to })).toMatchObject({ role: to })
      }
    }
    const [first, second] = [await makeUser(db, { role: 'admin' }), await makeUser(db, { role: 'admin' })]
    await setUserActive(db, { ...who, userId: first.id, isActive: false })
    const isLast = {
      code: 'invalid_transition',
      message: expect.stringContaining(`user ${second.id} is the last active admin`),
    }
    for (const role of USER_ROLES.filter((one) => one !== 'admin')) {
      await expect(setUserRole(db, { ...who, userId: second.id, role })).rejects.toMatchObject(isLast)
      await expect(
        query(db, sql`update access.users set role = ${role} where id = ${second.id}`),
      ).rejects.toMatchObject(isLast)
    }
    await expect(setUserActive(db, { ...who, userId: second.id, isActive: false })).rejects.toMatchObject(
      isLast,
    )
    await expect(query(db, sql`update access.users set is_active = false`)).rejects.toMatchObject({
      code: 'invalid_transition',
    })
    // In one statement another may take the place.
    await query(
      db,
      sql`update access.users set role = case id when ${user.id}::uuid then 'admin' else 'viewer' end`,
    )
    expect((await listUsers(db, { role: 'admin' })).map(({ id }) => id)).toEqual([user.id])
  })
})
