/** Jitter and identities. The simulator's is seeded. */
export interface Random {
  /** Uniform in [0, 1). */
  fraction(): number
  /** `bytes` random bytes as lower-case hex. */
  hex(bytes: number): string
}
