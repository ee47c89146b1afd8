import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { hashPassword, isOutdated, isPasswordOf, toPassword } from '../../src/access/passwords.ts'

describe('passwords', () => {
  afterEach(() => {
    vi.doUnmock('@node-rs/argon2')
    vi.resetModules()
  })

  it('become a hash with a salt of its own, that only they fit', async () => {
    const [one, other] = [await hashPassword('a long password'), await hashPassword('a long password')]
    expect(one).not.toBe(other)
    expect(await isPasswordOf(one, 'a long password')).toBe(true)
    expect(await isPasswordOf(one, 'a long passwore')).toBe(false)
    expect(await isPasswordOf(undefined, 'a long password')).toBe(false)
    expect(isOutdated(one)).toBe(false)
    expect(isOutdated(one.replace('m=19456', 'm=4096'))).toBe(true)
    expect(isOutdated(one.replace('t=2', 't=1'))).toBe(true)
  })

  it('are one password whether their accents are characters of their own or not', () => {
    expect(toPassword('e\u0301'.repeat(12))).toBe('\u00e9'.repeat(12))
    expect(() => toPassword('e\u0301'.repeat(11))).toThrow('password has fewer than 12 characters')
  })

  it('need a build of the library for the machine, and say so where there is none', async () => {
    vi.resetModules()
    vi.doMock('@node-rs/argon2', () => {
      throw new Error('Cannot find native binding')
    })
    const fresh = await import('../../src/access/passwords.ts')
    for (const call of [() => fresh.hashPassword('a long password'), () => fresh.isPasswordOf('x', 'y')]) {
      await expect(call()).rejects.toMatchObject({
        name: 'DataError',
        code: 'config',
        message: expect.stringContaining(`${process.platform}-${process.arch} is not installed; install`),
      })
    }
  })

  it('load the library only when one is checked', () => {
    const source = readFileSync(new URL('../../src/access/passwords.ts', import.meta.url), 'utf8')
    expect(source).not.toMatch(/^import (?!type ).*argon2/m)
  })
})
