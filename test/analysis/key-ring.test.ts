import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createKeyRing, readKeyRing } from '../../src/analysis/index.ts'
import { keyOf, ringOf } from './analysis-fixture.ts'

const place = { botId: 'a', id: '01890000-0000-7000-8000-000000000001', field: 'prompt' }

describe('a key ring', () => {
  it('opens what it has sealed, whatever the text', () => {
    const ring = ringOf(1)
    for (const text of ['', 'a', 'prices: 42 000 €, 🚀', 'x'.repeat(100_000)]) {
      expect(ring.open(ring.seal(text, place), 'k1', place)).toBe(text)
    }
  })

  it('never makes the same bytes twice', () => {
    const ring = ringOf(1)
    const sealed = new Set(Array.from({ length: 1_000 }, () => ring.seal('same', place).toString('hex')))
    expect(sealed.size).toBe(1_000)
  })

  it('opens what a former key has sealed, and seals under the current one', () => {
    const former = ringOf(1).seal('old', place)
    const ring = ringOf(2, 1)
    expect(ring).toMatchObject({ currentKeyId: 'k2', keyIds: ['k2', 'k1'] })
    expect(ring.open(former, 'k1', place)).toBe('old')
    expect(ringOf(2).open(ring.seal('new', place), 'k2', place)).toBe('new')
  })

  it.each([
    ['another bot', { ...place, botId: 'b' }],
    ['another row', { ...place, id: '01890000-0000-7000-8000-000000000002' }],
    ['another field', { ...place, field: 'response' }],
  ])('does not open what was moved to %s', (_, elsewhere) => {
    const ring = ringOf(1)
    expect(() => ring.open(ring.seal('secret', place), 'k1', elsewhere)).toThrow(/'k1'/)
  })

  it('does not open what was altered, byte by byte, or cut off', () => {
    const ring = ringOf(1)
    const sealed = ring.seal('secret', place)
    for (let i = 0; i < sealed.length; i++) {
      const altered = Buffer.from(sealed)
      altered[i] = (altered[i] ?? 0) ^ 1
      expect(() => ring.open(altered, 'k1', place)).toThrow(/does not open/)
      expect(() => ring.open(sealed.subarray(0, i), 'k1', place)).toThrow(/does not open/)
    }
  })

  it('names a key that is missing, and one that is another, as a config error', () => {
    const sealed = ringOf(1).seal('secret', place)
    const wrong = createKeyRing({ current: 'k1', keys: { k1: keyOf(9) } })
    for (const [ring, why] of [
      [ringOf(2), /key 'k1', which the key ring does not have/],
      [wrong, /does not open with key 'k1'/],
    ] as const) {
      expect(() => ring.open(sealed, 'k1', place)).toThrow(
        expect.objectContaining({ code: 'config', message: expect.stringMatching(why) }),
      )
    }
  })

  it('is made of an object or of text alike', () => {
    const made = createKeyRing({ current: 'k2', keys: { k1: keyOf(1), k2: keyOf(2) } })
    const read = readKeyRing(` k2:${keyOf(2)} , k1:${keyOf(1).replace(/=$/, '')} `)
    expect(read.keyIds).toEqual(made.keyIds)
    expect(read.open(made.seal('text', place), 'k2', place)).toBe('text')
    expect(read.open(ringOf(1).seal('text', place), 'k1', place)).toBe('text')
  })

  it.each([
    ['nothing', '', ['has no id', 'key 1']],
    ['a key alone', keyOf(1), ['key 1 has no id']],
    ['a key in place of its id', `${keyOf(1).slice(0, 43)}:k1`, ['key 1 has no id']],
    ['a short key', `k1:${Buffer.alloc(16, 1).toString('base64')}`, ["'k1' is not 32 bytes"]],
    ['what is no base64', `k1:${'!'.repeat(44)}`, ["'k1' is not 32 bytes"]],
    ['the same id twice', `k1:${keyOf(1)},k1:${keyOf(2)}`, ["'k1' is there twice"]],
    ['two mistakes', 'k1:short,k2:', ["'k1' is not", "'k2' is not"]],
  ])('refuses %s with a config error that shows no key', (_, text, parts) => {
    let thrown: unknown
    try {
      readKeyRing(text)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code: 'config' })
    for (const part of parts) expect(String(thrown)).toContain(part)
    const shown = inspect(thrown, { depth: 9, showHidden: true }).replace(/\s+at .*/g, '')
    for (const [secret] of text.matchAll(/[A-Za-z0-9+/!]{20,}/g)) expect(shown).not.toContain(secret)
  })

  it('refuses a current key that is not among the keys', () => {
    expect(() => createKeyRing({ current: 'k3', keys: { k1: keyOf(1) } })).toThrow(
      expect.objectContaining({ code: 'config', message: expect.stringContaining("'k3'") }),
    )
    expect(() => createKeyRing({ current: 'k1', keys: {} })).toThrow(/'k1'/)
  })

  it('shows its key ids and no key, however it is written', () => {
    const ring = ringOf(7)
    const secrets = [keyOf(7), Buffer.alloc(32, 7).toString('hex'), '07 07 07', '7,7,7']
    const shown = [
      inspect(ring, { depth: 9, showHidden: true }),
      JSON.stringify(ring),
      String(ring),
      JSON.stringify(Object.entries(ring)),
    ]
    for (const text of shown) for (const secret of secrets) expect(text).not.toContain(secret)
    expect(JSON.parse(JSON.stringify(ring))).toEqual({ currentKeyId: 'k7', keyIds: ['k7'] })
    expect(() => Object.assign(ring, { currentKeyId: 'other' })).toThrow(TypeError)
  })
})
