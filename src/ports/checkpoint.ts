/**
 * A named place between two effects. In production nothing is attached and reaching one costs a comparison; a fault test attaches
 * a driver that kills, stops or delays something exactly there. Names read `runtime.epoch-committed`: what has just happened.
 */
export type Checkpoint = ((name: string) => Promise<void>) | null
