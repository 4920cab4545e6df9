/** The keeper of certificates, loaded when a config wants the first one: most daemons have none. */

import type { CertificateKeeper } from '../ports/traffic/certificates.ts'

export function lazyCertificateKeeper(options: { readonly stateDirectory: string; readonly node: string }): CertificateKeeper {
  let opened: Promise<CertificateKeeper> | null = null
  const open = (): Promise<CertificateKeeper> =>
    (opened ??= import('../adapters/acme/index.ts').then(({ createCertificateKeeper }) => createCertificateKeeper(options)))
  return {
    list: async () => (await open()).list(),
    join: async (files) => (await open()).join(files),
    order: async (order, answer) => (await open()).order(order, answer),
    close: () => void opened?.then((keeper) => keeper.close()),
  }
}
