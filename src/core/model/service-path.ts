/** The PATH of every process of this host: never the daemon's own, which depends on who started it. */

export const servicePath = (nodeDirectory: string): string =>
  `/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:${nodeDirectory}`
