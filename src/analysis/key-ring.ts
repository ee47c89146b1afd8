import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { DataError } from '../db/errors.ts'

/** Where an encrypted text belongs. It is authenticated with the text, which opens nowhere else. */
export interface SealedPlace {
  readonly botId: string
  readonly id: string
  readonly field: string
}

/**
 * Keys for what nobody with the database alone may read. It shows the names of its keys, and never a key: not when it is
 * printed, written as JSON or thrown about.
 */
export interface KeyRing {
  /** The key that encrypts from now on. */
  readonly currentKeyId: string
  /** All whose texts can be read, the current one first. */
  readonly keyIds: readonly string[]
  /** Encrypts under the current key. */
  readonly seal: (text: string, place: SealedPlace) => Buffer
  /** @throws `config` naming the key if the ring does not have it, or it does not open what is there. */
  readonly open: (sealed: Buffer, keyId: string, place: SealedPlace) => string
}

export interface CreateKeyRingInput {
  /** The id of the key that encrypts from now on. */
  readonly current: string
  /** Each key by its id, as base64 of its 32 bytes. Keep old ones until `rotateLlmKeys` has nothing left to do. */
  readonly keys: Readonly<Record<string, string>>
}

const ALGORITHM = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const VERSION = 1
const HEAD_BYTES = 1 + NONCE_BYTES + TAG_BYTES

/** Shorter than a key, so that a key in the place of its id is not taken for one, and shown. */
const KEY_ID = /^[A-Za-z0-9_.-]{1,32}$/
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

/**
 * Makes a key ring for `recordLlmAnalysis` and `getLlmAnalysis`: AES-256-GCM, with a nonce of its own for each text.
 *
 * One key is good for four thousand million texts; change it long before.
 *
 * @throws `config` listing what is wrong, with ids of keys and never a key.
 */
export function createKeyRing(input: CreateKeyRingInput): KeyRing {
  return ringOf(input.current, Object.entries(input.keys))
}

/**
 * Reads a key ring from text as `k2:<base64>,k1:<base64>`, of which the first is the current key. Meant for an environment
 * variable, which the caller reads.
 *
 * @throws `config` listing what is wrong, with ids of keys and never a key.
 */
export function readKeyRing(text: string): KeyRing {
  const entries = text.split(',').map((entry): [string, string] => {
    const [id = '', ...rest] = entry.trim().split(':')
    return [id.trim(), rest.join(':').trim()]
  })
  return ringOf(entries[0]?.[0] ?? '', entries)
}

function ringOf(currentKeyId: string, entries: readonly (readonly [string, string])[]): KeyRing {
  const problems: string[] = []
  const keys = new Map<string, KeyObject>()
  for (const [place, [id, text]] of entries.entries()) {
    const key = keyFrom(text)
    if (!KEY_ID.test(id)) {
      problems.push(`key ${place + 1} has no id of up to 32 letters, digits, points, dashes and underscores`)
    } else if (keys.has(id)) problems.push(`key '${id}' is there twice`)
    else if (!key) problems.push(`key '${id}' is not 32 bytes in base64`)
    else keys.set(id, key)
  }
  const current = keys.get(currentKeyId)
  if (!current && problems.length === 0) {
    const named = KEY_ID.test(currentKeyId) ? ` '${currentKeyId}'` : ''
    problems.push(`the current key${named} is not among the keys`)
  }
  if (!current || problems.length > 0) throw new DataError('config', `key ring: ${problems.join('; ')}`)
  const others = [...keys.keys()].filter((id) => id !== currentKeyId)
  // The keys are nowhere but in here.
  return Object.freeze({
    currentKeyId,
    keyIds: Object.freeze([currentKeyId, ...others]),
    seal: (text: string, place: SealedPlace) => seal(current, text, place),
    open: (sealed: Buffer, keyId: string, place: SealedPlace) => {
      const key = keys.get(keyId)
      if (!key)
        throw new DataError(
          'config',
          `${nameOf(place)} is encrypted under key '${keyId}', which the key ring does not have`,
        )
      const text = open(key, sealed, place)
      if (text !== undefined) return text
      throw new DataError(
        'config',
        `${nameOf(place)} does not open with key '${keyId}' of the key ring: it is another key of that name, or the row was altered`,
      )
    },
  })
}

function keyFrom(text: string): KeyObject | undefined {
  if (typeof text !== 'string' || !BASE64.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === KEY_BYTES ? createSecretKey(bytes) : undefined
}

function nameOf({ botId, id, field }: SealedPlace): string {
  return `${field} of '${id}' of bot '${botId}'`
}

function associated({ botId, id, field }: SealedPlace): Buffer {
  return Buffer.from(JSON.stringify([VERSION, botId, id, field]))
}

function seal(key: KeyObject, text: string, place: SealedPlace): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(associated(place))
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), body])
}

/** Undefined where the key, the place or the bytes are others than when it was sealed. */
function open(key: KeyObject, sealed: Buffer, place: SealedPlace): string | undefined {
  if (sealed.length < HEAD_BYTES || sealed[0] !== VERSION) return undefined
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES)
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(associated(place))
  decipher.setAuthTag(sealed.subarray(1 + NONCE_BYTES, HEAD_BYTES))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(HEAD_BYTES)), decipher.final()]).toString('utf8')
  } catch {
    return undefined
  }
}
