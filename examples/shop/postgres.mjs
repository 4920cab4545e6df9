// Just enough of PostgreSQL's protocol for this shop (version 3.0, extended query, SCRAM-SHA-256), so that the example needs nothing
// from npm. A real program takes `pg` or `postgres` from there.

import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'

const { PGHOST: host, PGPORT: port, PGUSER: user, PGDATABASE: database, PGPASSWORD: password } = process.env

/** Connections that are open; as many as there are queries at a time. */
const idle = []

/** The rows of one statement, as arrays of texts. A connection that died while nobody used it costs a new one, never an error. */
export async function query(text, parameters = []) {
  for (;;) {
    const kept = idle.pop()
    if (kept?.isBroken) continue
    const connection = kept ?? (await open())
    const rows = await connection.query(text, parameters)
    if (!connection.isBroken) idle.push(connection)
    return rows
  }
}

async function open() {
  const socket = connect({ host, port, noDelay: true })
  await once(socket, 'connect')
  const connection = new Connection(socket)
  await connection.introduce()
  return connection
}

class Connection {
  isBroken = false
  #socket
  #received = Buffer.alloc(0)
  #messages = []
  #wake = () => {}

  constructor(socket) {
    this.#socket = socket
    socket.on('data', (bytes) => this.#hear(bytes))
    for (const event of ['error', 'close', 'end']) {
      socket.on(event, () => {
        this.isBroken = true
        this.#wake()
      })
    }
  }

  #hear(bytes) {
    this.#received = Buffer.concat([this.#received, bytes])
    while (this.#received.length >= 5 && this.#received.length > this.#received.readInt32BE(1)) {
      const end = 1 + this.#received.readInt32BE(1)
      this.#messages.push({ kind: String.fromCharCode(this.#received[0]), body: this.#received.subarray(5, end) })
      this.#received = this.#received.subarray(end)
    }
    this.#wake()
  }

  async #next() {
    while (this.#messages.length === 0) {
      if (this.isBroken) throw new Error('the database closed the connection')
      await new Promise((resolve) => (this.#wake = resolve))
    }
    const message = this.#messages.shift()
    if (message.kind !== 'E') return message
    const fields = message.body.toString().split('\0')
    const said = fields.find((field) => field.startsWith('M'))?.slice(1)
    throw new Error(said ?? 'the database refused')
  }

  #send(kind, ...parts) {
    const body = Buffer.concat(parts)
    this.#socket.write(Buffer.concat([Buffer.from(kind), int32(body.length + 4), body]))
  }

  async introduce() {
    this.#send('', int32(0x30000), text('user'), text(user), text('database'), text(database), Buffer.from([0]))
    const nonce = randomBytes(18).toString('base64')
    let proof
    for (;;) {
      const { kind, body } = await this.#next()
      if (kind === 'Z') return
      if (kind !== 'R') continue
      const step = body.readInt32BE(0)
      if (step === 10) {
        const first = Buffer.from(`n,,n=,r=${nonce}`)
        this.#send('p', text('SCRAM-SHA-256'), int32(first.length), first)
      } else if (step === 11) {
        proof = scramProof(nonce, body.subarray(4).toString())
        this.#send('p', Buffer.from(proof.answer))
      } else if (step === 12 && !body.subarray(4).equals(Buffer.from(proof.expected))) {
        throw new Error('this is not our database: it does not know the password')
      }
    }
  }

  async query(statement, parameters) {
    const values = parameters.map((value) => {
      const bytes = Buffer.from(String(value))
      return Buffer.concat([int32(bytes.length), bytes])
    })
    this.#send('P', text(''), text(statement), int16(0))
    this.#send('B', text(''), text(''), int16(0), int16(values.length), ...values, int16(0))
    this.#send('E', text(''), int32(0))
    this.#send('S')
    const rows = []
    let failure = null
    for (;;) {
      const message = await this.#next().catch((error) => {
        if (this.isBroken) throw error
        failure = error
        return { kind: 'E' }
      })
      if (message.kind === 'D') rows.push(readRow(message.body))
      if (message.kind !== 'Z') continue
      if (failure !== null) throw failure
      return rows
    }
  }
}

/** RFC 5802, with SHA-256: what proves that we know the password, and what proves that the server does. */
function scramProof(nonce, serverFirst) {
  const [, serverNonce, salt, rounds] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst)
  const hmac = (key, data) => createHmac('sha256', key).update(data).digest()
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(rounds), 32, 'sha256')
  const clientKey = hmac(salted, 'Client Key')
  const bare = `c=biws,r=${serverNonce}`
  const signed = `n=,r=${nonce},${serverFirst},${bare}`
  const signature = hmac(createHash('sha256').update(clientKey).digest(), signed)
  const proof = clientKey.map((byte, index) => byte ^ signature[index])
  return {
    answer: `${bare},p=${Buffer.from(proof).toString('base64')}`,
    expected: `v=${hmac(hmac(salted, 'Server Key'), signed).toString('base64')}`,
  }
}

function readRow(body) {
  const row = []
  let offset = 2
  for (let left = body.readInt16BE(0); left > 0; left--) {
    const length = body.readInt32BE(offset)
    offset += 4
    row.push(length < 0 ? null : body.toString('utf8', offset, offset + length))
    offset += Math.max(0, length)
  }
  return row
}

function int32(value) {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function int16(value) {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

const text = (value) => Buffer.from(`${value}\0`)
