import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lockDirectory } from '../../src/embedded/directory-lock.ts'
import { identify } from '../../src/embedded/process-identity.ts'
import { run, temporaryFolder } from './programs.ts'

const onLinux = it.skipIf(process.platform !== 'linux')

describe('lockDirectory', () => {
  it('puts a file beside the directory and removes it on release', async () => {
    const directory = join(await temporaryFolder(), 'data')
    const lock = await lockDirectory(directory)
    expect(JSON.parse(await readFile(`${directory}.lock`, 'utf8'))).toMatchObject({ pid: process.pid })
    await lock.release()
    expect(existsSync(`${directory}.lock`)).toBe(false)
    await lock.release()
  })

  it('refuses a second time in the same process', async () => {
    const directory = join(await temporaryFolder(), 'data')
    await lockDirectory(directory)
    await expect(lockDirectory(directory)).rejects.toMatchObject({
      code: 'config',
      message: expect.stringMatching(/already open in this process/),
    })
  })

  it('refuses another process, naming the directory and the process', async () => {
    const directory = join(await temporaryFolder(), 'data')
    const holder = run('./lock-taker.ts', [directory])
    await holder.line('taken')
    await expect(lockDirectory(directory)).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining(`'${directory}' is in use by process ${holder.pid} `),
    })
    holder.finish()
    await holder.line('released')
    await (await lockDirectory(directory)).release()
  })

  it('takes over from a process that was killed', async () => {
    const directory = join(await temporaryFolder(), 'data')
    const holder = run('./lock-taker.ts', [directory])
    await holder.line('taken')
    holder.kill('SIGKILL')
    await holder.ended
    const lock = await lockDirectory(directory)
    await lock.release()
    expect(await readdir(join(directory, '..'))).toEqual([])
  })

  onLinux('takes over when the process id belongs to a later process now', async () => {
    const directory = join(await temporaryFolder(), 'data')
    const other = { ...identify(), pid: process.ppid, startTicks: '1' }
    await writeFile(`${directory}.lock`, JSON.stringify(other))
    const lock = await lockDirectory(directory)
    expect(JSON.parse(await readFile(`${directory}.lock`, 'utf8'))).toMatchObject({ pid: process.pid })
    await lock.release()
  })

  onLinux('takes over a lock from before the last boot', async () => {
    const directory = join(await temporaryFolder(), 'data')
    const other = { ...identify(), bootId: '0c7cbe0e-5b5c-4bb1-a6a8-7d5b5b5d1d3f' }
    await writeFile(`${directory}.lock`, JSON.stringify(other))
    await (await lockDirectory(directory)).release()
  })

  onLinux.each([
    ['of another container', { pidNamespace: 'pid:[1]' }],
    ['on another machine', { host: 'elsewhere', bootId: '0c7cbe0e-5b5c-4bb1-a6a8-7d5b5b5d1d3f' }],
  ])('refuses a process %s, which it cannot see', async (_, difference) => {
    const directory = join(await temporaryFolder(), 'data')
    const other = { ...identify(), pid: 4_000_000, ...difference }
    await writeFile(`${directory}.lock`, JSON.stringify(other))
    await expect(lockDirectory(directory)).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining(`delete '${directory}.lock'`),
    })
    expect(JSON.parse(await readFile(`${directory}.lock`, 'utf8'))).toEqual(other)
  })

  it('refuses a lock that it cannot read, and leaves it', async () => {
    const directory = join(await temporaryFolder(), 'data')
    await writeFile(`${directory}.lock`, '{"pid":')
    await expect(lockDirectory(directory)).rejects.toMatchObject({ code: 'config' })
    expect(await readFile(`${directory}.lock`, 'utf8')).toBe('{"pid":')
  })

  it('goes on from a process that was killed while taking over', async () => {
    const directory = join(await temporaryFolder(), 'data')
    const [dead, claimant] = [identify(), identify()].map((self) => ({ ...self, pid: 4_000_000 }))
    await writeFile(`${directory}.lock`, JSON.stringify(dead))
    await writeFile(`${directory}.lock.${dead?.token}`, JSON.stringify(claimant))
    const lock = await lockDirectory(directory)
    await lock.release()
    expect(await readdir(join(directory, '..'))).toEqual([])
  })

  it.each([1, 2, 3])('lets one of eight processes win over a lock left behind (round %i)', async () => {
    const directory = join(await temporaryFolder(), 'data')
    await writeFile(`${directory}.lock`, JSON.stringify({ ...identify(), pid: 4_000_000 }))
    const racers = Array.from({ length: 8 }, () => run('./lock-taker.ts', [directory, 'wait']))
    await Promise.all(racers.map((racer) => racer.line('ready')))
    const start = String(Date.now() + 100)
    for (const racer of racers) racer.tell(start)
    const outcomes = await Promise.all(
      racers.map((racer) => Promise.race(OUTCOMES.map((o) => racer.line(o)))),
    )
    expect(outcomes.filter((outcome) => outcome === 'taken')).toHaveLength(1)
    const winner = racers[outcomes.indexOf('taken')]
    for (const outcome of outcomes.filter((text) => text !== 'taken')) {
      expect(outcome).toContain(`in use by process ${winner?.pid} `)
    }
  })
})

const OUTCOMES = ['taken', 'config:', 'failed:']
