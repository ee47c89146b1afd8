import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { type BuiltPackage, buildPackage, checkTypes, PATIENCE_MS, ROOT } from './package-build.ts'

// The tarball itself is packed, examined and used by scripts/check-package.ts, which takes longer.

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS })

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

describe('the package', () => {
  let built: BuiltPackage
  beforeAll(async () => {
    built = await buildPackage()
    return () => built[Symbol.dispose]()
  })

  test('has entries with types first, all of which the build makes', () => {
    const { '.': main, './package.json': own, ...parts } = manifest.exports
    expect(own).toBe('./package.json')
    for (const entry of [main, ...Object.values<Record<string, string>>(parts)]) {
      expect(Object.keys(entry)).toEqual(['types', 'default'])
      for (const file of Object.values<string>(entry)) {
        expect(existsSync(join(built.directory, file)), file).toBe(true)
      }
    }
  })

  test('has an entry for every folder that has an index', () => {
    const folders = ['db', 'fleet', 'market', 'trading', 'importers', 'embedded', 'testing']
    for (const folder of folders) {
      expect(existsSync(join(ROOT, 'src', folder, 'index.ts')), folder).toBe(true)
      expect(manifest.exports[`./${folder}`]?.default).toBe(`./dist/${folder}/index.js`)
    }
  })

  test('says what it is: MIT, ESM, without side effects, from Node 20 on', () => {
    expect(manifest).toMatchObject({
      license: 'MIT',
      type: 'module',
      sideEffects: false,
      engines: { node: '>=20' },
    })
    expect(readFileSync(join(ROOT, 'LICENSE'), 'utf8')).toContain('tradeblotter contributors')
    for (const part of manifest.files)
      expect(existsSync(join(ROOT, part)) || part === 'dist', part).toBe(true)
  })

  test('pleases publint', async () => {
    const { messages } = await publint({ pkgDir: built.directory, pack: false, strict: true })
    expect(messages.map((message) => formatMessage(message, manifest))).toEqual([])
  })

  test('refuses in its types what must not compile', async () => {
    const page = readFileSync(join(ROOT, 'test/types.test-d.ts'), 'utf8').replace(
      '../src/index.ts',
      'tradeblotter',
    )
    const guards = page.match(/\/\/ @ts-expect-error$/gm) ?? []
    expect(guards.length).toBeGreaterThan(20)
    writeFileSync(join(built.directory, 'guarded.ts'), page)
    expect(await checkTypes(built.directory, ['guarded.ts'])).toBe('')
    writeFileSync(join(built.directory, 'bare.ts'), page.replaceAll(/^\s*\/\/ @ts-expect-error$/gm, ''))
    const found = await checkTypes(built.directory, ['bare.ts'])
    const lines = found.match(/^bare\.ts\((\d+)/gm) ?? []
    expect(new Set(lines).size).toBe(guards.length)
    writeFileSync(join(built.directory, 'idle.ts'), '// @ts-expect-error\nexport const fine = 1\n')
    expect(await checkTypes(built.directory, ['idle.ts'])).toContain('TS2578')
  })
})
