/** The daemon's own diary: for its developers and for the worst day. Users read events instead. */
export interface Log {
  write(level: 'info' | 'warn' | 'error', message: string, detail?: Readonly<Record<string, unknown>>): void
}
