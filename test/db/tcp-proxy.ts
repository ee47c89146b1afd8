import { createServer, connect as openSocket, type Socket } from 'node:net'

/** Stands between this process and a server, and can let the connection down in several ways. */
export interface Proxy extends AsyncDisposable {
  /** Of the target, through it. */
  readonly url: string
  /** Closes whoever is there, and from now on whoever comes. */
  refuse(): void
  pass(): void
  /** Passes nothing on any more between those who are there, and does not say so. */
  fallSilent(): void
  /** The same for those who come. */
  keepSilent(): void
  /** Open sockets of this process that are not the proxy's. */
  socketsElsewhere(): number
}

/** Starts one in front of the server of a URL. */
export async function startProxy(target: string): Promise<Proxy> {
  const server = new URL(target)
  const sockets = new Set<Socket>()
  let mode: 'pass' | 'refuse' | 'silent' = 'pass'
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    return socket
  }
  const listener = createServer((client) => {
    keep(client)
    if (mode === 'refuse') client.destroy()
    if (mode === 'silent') client.pause()
    if (mode !== 'pass') return
    const upstream = keep(openSocket(Number(server.port || 5432), server.hostname))
    client.on('data', (data) => upstream.write(data))
    upstream.on('data', (data) => client.write(data))
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String(typeof address === 'object' && address ? address.port : 0)
  const destroyAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: url.toString(),
    refuse() {
      mode = 'refuse'
      destroyAll()
    },
    pass() {
      mode = 'pass'
    },
    fallSilent() {
      for (const socket of sockets) socket.pause()
    },
    keepSilent() {
      mode = 'silent'
    },
    socketsElsewhere() {
      const all = process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
      return all - [...sockets].filter((socket) => !socket.destroyed).length
    },
    async [Symbol.asyncDispose]() {
      destroyAll()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
