/**
 * The few calls of the C library that Node has no word for: named pipes, and moving bytes from a pipe into a file inside the kernel
 * (decision 24). Each takes plain numbers and buffers that live as long as the call. Needs `node:ffi`, which Node has had since 26.1.
 */

import { closeSync } from 'node:fs'
import type * as ffiModule from 'node:ffi'
import { getSystemErrorName } from 'node:util'

export interface PipeEvent {
  readonly descriptor: number
  /** Somebody has written. */
  readonly isReadable: boolean
  /** No process has the other end open any more. */
  readonly isHungUp: boolean
}

export interface Libc {
  /** mkfifo(3). `mode` is cut by the umask. Throws like `node:fs`, with a `code`. */
  makePipe(path: string, mode: number): void
  /** ioctl(FIONREAD): bytes in a pipe that have not been read. */
  unreadBytes(descriptor: number): number
  /** poll(2): no process has the pipe open for writing any more, and somebody had since this descriptor was opened. */
  isHungUp(descriptor: number): boolean
  /**
   * splice(2), never waiting: how many bytes went from the pipe into the file at `offset`, in one step that no signal can tear. 0 when the
   * pipe is empty and no process has it open for writing. Below 0, an error's number: `-errno.EAGAIN` while the pipe is empty.
   */
  move(pipe: number, file: number, to: { readonly offset: number; readonly maxBytes: number }): number
  /** The same into a file that keeps nothing and has no offsets (`/dev/null`). */
  drop(pipe: number, file: number, maxBytes: number): number
  /** epoll(7), level-triggered. */
  watch(descriptors: PipeSet, descriptor: number): void
  /** Waits for at most `timeoutMs`, and keeps this thread for so long. */
  wait(descriptors: PipeSet, timeoutMs: number): readonly PipeEvent[]
  openSet(): PipeSet
  sleep(ms: number): void
  /** flock(2), exclusive, never waiting. False where another holds it; throws like `node:fs` where nothing can be locked. */
  lock(descriptor: number): boolean
  /** pidfd_open(2) and pidfd_getfd(2): another process's descriptor, as one of ours. Null where the kernel or its rules do not let us. */
  borrow(pid: number, descriptor: number): number | null
  /**
   * Whether a program could listen on the port on all addresses of the family now: 0, or an error's number. Listens for a moment, never
   * waiting.
   */
  tryListen(family: 4 | 6, port: number): number
  /** keyctl(2), KEYCTL_JOIN_SESSION_KEYRING: this thread, and what it starts, has a new and empty one. False where the kernel has none. */
  joinSessionKeyring(): boolean
  /** Takes `bytes` (whole blocks) away at the front of a file; others may append to it meanwhile. False where the file system cannot. */
  cutFront(descriptor: number, bytes: number): boolean
}

export type PipeSet = { readonly descriptor: number }

const fionread = 0x541b
const spliceNonBlocking = 2
const epollCloseOnExec = 0o2000000
const epollAdd = 1
const epollIn = 1
const epollErrorOrHangUp = 0x18
const lockExclusiveNonBlocking = 2 | 4
const streamCloseOnExec = 0o2000001
/** SOL_SOCKET, SO_REUSEADDR: what a server has just left is free. */
const reuseAddress = [1, 2] as const
/** `sockaddr_in` and `sockaddr_in6` (ip(7), ipv6(7)); IPPROTO_IPV6, IPV6_V6ONLY. */
const families = {
  4: { domain: 2, addressBytes: 16, onlyItself: [] },
  6: { domain: 10, addressBytes: 28, onlyItself: [[41, 26]] },
} as const
const pidfdOpen = 434n
const pidfdGetfd = 438n
const collapseRange = 8
/** glibc has no word for it; by asm/unistd.h. */
const keyctlNumber = { x64: 250n, arm64: 219n, riscv64: 219n }[process.arch as string]
const joinSessionKeyring = 1n
const maxEvents = 256
/** `struct epoll_event` is packed on x86-64 only (epoll_ctl(2), the kernel's eventpoll.h). */
const event = process.arch === 'x64' ? { bytes: 12, data: 4 } : { bytes: 16, data: 8 }

let opened: Libc | null = null

/** Throws where this Node has no `node:ffi`. */
export function libc(): Libc {
  opened ??= openLibc()
  return opened
}

function openLibc(): Libc {
  const ffi = loadFfi()
  if (ffi === undefined) throw new Error(`Node ${process.version} has no node:ffi; Daruma needs Node 26.1 or newer`)
  const { functions: c } = ffi.dlopen(null, {
    mkfifo: { arguments: ['string', 'u32'], return: 'i32' },
    ioctl: { arguments: ['i32', 'u64', 'buffer'], return: 'i32' },
    splice: { arguments: ['i32', 'pointer', 'i32', 'buffer', 'u64', 'u32'], return: 'i64' },
    epoll_create1: { arguments: ['i32'], return: 'i32' },
    epoll_ctl: { arguments: ['i32', 'i32', 'i32', 'buffer'], return: 'i32' },
    epoll_wait: { arguments: ['i32', 'buffer', 'i32', 'i32'], return: 'i32' },
    poll: { arguments: ['buffer', 'u64', 'i32'], return: 'i32' },
    usleep: { arguments: ['u32'], return: 'i32' },
    flock: { arguments: ['i32', 'i32'], return: 'i32' },
    socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
    setsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'u32'], return: 'i32' },
    bind: { arguments: ['i32', 'buffer', 'u32'], return: 'i32' },
    listen: { arguments: ['i32', 'i32'], return: 'i32' },
    // Of no C library that is older than the calls. Their numbers are the same on all machines (asm-generic/unistd.h).
    syscall: { arguments: ['i64', 'i64', 'i64', 'i64'], return: 'i64' },
    fallocate: { arguments: ['i32', 'i32', 'i64', 'i64'], return: 'i32' },
    __errno_location: { arguments: [], return: 'pointer' },
  })
  // Of this thread, which has called nothing since.
  const error = (): number => ffi.getInt32(c.__errno_location(), 0)
  const fail = (call: string, path = ''): Error & { readonly code: string } => {
    const code = getSystemErrorName(-error())
    return Object.assign(new Error(`${code}: ${call}${path === '' ? '' : ` '${path}'`}`), { code, syscall: call })
  }
  const number = Buffer.alloc(4)
  const position = Buffer.alloc(8)
  /** `struct pollfd`; its flags are epoll's. */
  const polled = Buffer.alloc(8)
  const events = Buffer.alloc(maxEvents * event.bytes)
  return {
    makePipe(path, mode) {
      if (c.mkfifo(path, mode) !== 0) throw fail('mkfifo', path)
    },
    unreadBytes(descriptor) {
      if (c.ioctl(descriptor, BigInt(fionread), number) !== 0) throw fail('ioctl')
      return number.readInt32LE(0)
    },
    isHungUp(descriptor) {
      polled.writeInt32LE(descriptor, 0)
      polled.writeInt32LE(epollIn, 4)
      return c.poll(polled, 1n, 0) > 0 && (polled.readInt16LE(6) & epollErrorOrHangUp) !== 0
    },
    move(pipe, file, { offset, maxBytes }) {
      position.writeBigInt64LE(BigInt(offset), 0)
      const moved = Number(c.splice(pipe, 0n, file, position, BigInt(maxBytes), spliceNonBlocking))
      return moved < 0 ? -error() : moved
    },
    drop(pipe, file, maxBytes) {
      const moved = Number(c.splice(pipe, 0n, file, null, BigInt(maxBytes), spliceNonBlocking))
      return moved < 0 ? -error() : moved
    },
    openSet() {
      const descriptor = c.epoll_create1(epollCloseOnExec)
      if (descriptor < 0) throw fail('epoll_create1')
      return { descriptor }
    },
    watch(set, descriptor) {
      const wanted = Buffer.alloc(event.bytes)
      wanted.writeUInt32LE(epollIn, 0)
      wanted.writeUInt32LE(descriptor, event.data)
      if (c.epoll_ctl(set.descriptor, epollAdd, descriptor, wanted) !== 0) throw fail('epoll_ctl')
    },
    wait(set, timeoutMs) {
      // Interrupted by a signal (-1) is nothing heard.
      const count = Math.max(0, c.epoll_wait(set.descriptor, events, maxEvents, timeoutMs))
      return Array.from({ length: count }, (_, index) => {
        const flags = events.readUInt32LE(index * event.bytes)
        return {
          descriptor: events.readUInt32LE(index * event.bytes + event.data),
          isReadable: (flags & epollIn) !== 0,
          isHungUp: (flags & epollErrorOrHangUp) !== 0,
        }
      })
    },
    sleep(ms) {
      c.usleep(Math.round(ms * 1000))
    },
    lock(descriptor) {
      if (c.flock(descriptor, lockExclusiveNonBlocking) === 0) return true
      const failure = fail('flock')
      if (failure.code === 'EAGAIN') return false
      throw failure
    },
    borrow(pid, descriptor) {
      const process = Number(c.syscall(pidfdOpen, BigInt(pid), 0n, 0n))
      if (process < 0) return null
      const borrowed = Number(c.syscall(pidfdGetfd, BigInt(process), BigInt(descriptor), 0n))
      closeSync(process)
      return borrowed < 0 ? null : borrowed
    },
    tryListen(family, port) {
      const { domain, addressBytes, onlyItself } = families[family]
      const descriptor = c.socket(domain, streamCloseOnExec, 0)
      if (descriptor < 0) return error()
      try {
        const address = Buffer.alloc(addressBytes)
        address.writeUInt16LE(domain, 0)
        address.writeUInt16BE(port, 2)
        number.writeInt32LE(1, 0)
        const isListening =
          [reuseAddress, ...onlyItself].every(([level, name]) => c.setsockopt(descriptor, level, name, number, 4) === 0) &&
          c.bind(descriptor, address, addressBytes) === 0 &&
          c.listen(descriptor, 1) === 0
        return isListening ? 0 : error()
      } finally {
        closeSync(descriptor)
      }
    },
    joinSessionKeyring() {
      return keyctlNumber !== undefined && Number(c.syscall(keyctlNumber, joinSessionKeyring, 0n, 0n)) > 0
    },
    cutFront(descriptor, bytes) {
      return c.fallocate(descriptor, collapseRange, 0n, BigInt(bytes)) === 0
    },
  }
}

/** Without its warning at each start: which Node we run on is our choice, and a test holds what we take from it. */
function loadFfi(): typeof ffiModule | undefined {
  const warn = process.emitWarning.bind(process)
  process.emitWarning = () => {}
  try {
    return process.getBuiltinModule('node:ffi')
  } catch {
    return undefined
  } finally {
    process.emitWarning = warn
  }
}
