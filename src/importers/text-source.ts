import { open } from 'node:fs/promises'
import { pipeline, Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { TextDecoder } from 'node:util'
import { createGunzip } from 'node:zlib'
import { DataError } from '../db/errors.ts'

/** The path or the `file:` URL of a text file, or its content in any pieces: a stream, a response's body, an array. */
export type TextSource = string | URL | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>

/** Text that is read as it is asked for, once. */
export interface NamedText {
  /** What errors call it. */
  readonly name: string
  readonly chunks: AsyncIterable<string>
}

/** What errors call a source that is no file and was given no name. */
const UNNAMED = 'input'
const CHUNK_BYTES = 64 * 1024

/**
 * Makes text of a source without opening it yet. A path that ends in `.gz` is unzipped on the way, and a byte order mark left
 * out. Whoever stops reading closes the file, or the stream that was given.
 *
 * @throws `invalid_input` for what is no source. Reading throws it for a file that is missing, packed or not UTF-8.
 */
export function openText(source: TextSource, file: string | undefined): NamedText {
  const path = pathOf(source)
  const name = file ?? path ?? UNNAMED
  if (path === undefined) return { name, chunks: decode(name, source as AsyncIterable<string | Uint8Array>) }
  if (path === '') throw new DataError('invalid_input', 'source is an empty path', { field: 'source' })
  if (/\.zip$/i.test(path)) throw unreadable(name, ZIPPED)
  return { name, chunks: decode(name, /\.gz$/i.test(path) ? unzip(name, path) : readFile(name, path)) }
}

const ZIPPED = 'is a zip archive; unpack it and give the file in it'
const GZIPPED = 'is gzipped; give the path of a file whose name ends in .gz, or unzip it on the way'

function pathOf(source: TextSource): string | undefined {
  if (typeof source === 'string') return source
  if (source instanceof URL) {
    if (source.protocol === 'file:') return fileURLToPath(source)
    throw invalidSource(`is ${source.href}, not the URL of a file; give the body of a response instead`)
  }
  const isIterable =
    typeof source === 'object' &&
    source !== null &&
    (Symbol.asyncIterator in source || Symbol.iterator in source)
  if (isIterable && !(source instanceof Uint8Array)) return undefined
  throw invalidSource('is neither a path, the URL of a file, nor pieces of text')
}

function invalidSource(why: string): DataError {
  return new DataError('invalid_input', `source ${why}`, { field: 'source' })
}

/** An error of the whole file, at no line of it. */
export function unreadable(name: string, why: string, cause?: unknown): DataError {
  const details = cause === undefined ? { field: 'source' } : { field: 'source', cause }
  return new DataError('invalid_input', `${name}: ${why}`, details)
}

async function* decode(
  name: string,
  chunks: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
): AsyncGenerator<string> {
  // It also leaves out a byte order mark.
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let isFirst = true
  for await (const chunk of chunks) {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) {
      throw unreadable(name, `has a piece of type ${typeof chunk}, which is neither text nor bytes`)
    }
    if (chunk.length === 0) continue
    if (typeof chunk === 'string') {
      yield isFirst && chunk.startsWith('\uFEFF') ? chunk.slice(1) : chunk
    } else {
      if (isFirst) refusePacked(name, chunk)
      yield decodeBytes(name, decoder, chunk)
    }
    isFirst = false
  }
  yield decodeBytes(name, decoder)
}

function refusePacked(name: string, [first, second]: Uint8Array): void {
  if (first === 0x1f && second === 0x8b) throw unreadable(name, GZIPPED)
  if (first === 0x50 && second === 0x4b) throw unreadable(name, ZIPPED)
}

/** Bytes of one character may come in two pieces; without a piece, it is the end. */
function decodeBytes(name: string, decoder: TextDecoder, bytes?: Uint8Array): string {
  try {
    return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode()
  } catch (cause) {
    throw unreadable(name, 'is not UTF-8 text', cause)
  }
}

async function* readFile(name: string, path: string): AsyncGenerator<Uint8Array> {
  const file = await readable(name, open(path))
  try {
    for (;;) {
      // A new one each time: whoever unzips may not be done with the last.
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
      const { bytesRead } = await readable(name, file.read(buffer, 0, CHUNK_BYTES))
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

const REASONS: ReadonlyMap<unknown, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['ENOTDIR', 'there is no such file'],
  ['EISDIR', 'is a folder, not a file'],
  ['EACCES', 'may not be read by this user'],
])

async function readable<Result>(name: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    throw unreadable(name, REASONS.get(code) ?? `cannot be read (${String(code)})`, cause)
  }
}

async function* unzip(name: string, path: string): AsyncGenerator<Uint8Array> {
  const packed = Readable.from(readFile(name, path))
  const unpacked = createGunzip()
  // An error of either ends the other, and comes out of the loop below.
  pipeline(packed, unpacked, () => undefined)
  try {
    yield* unpacked
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && String(cause.code).startsWith('Z_')) {
      throw unreadable(name, 'is no whole gzip file', cause)
    }
    throw cause
  } finally {
    unpacked.destroy()
    // The file is closed once the stream that reads it is.
    if (!packed.closed) await finished(packed).catch(() => undefined)
  }
}
